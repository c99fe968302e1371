"""`acrypto algorithms`."""

from __future__ import annotations

import click

from acrypto.cli import options
from acrypto.cli.report import table, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.registry.listing import AlgorithmRow


@click.command("algorithms")
@click.option("--proc", is_flag=True, help="Print it as the kernel does in /proc/crypto.")
@options.as_json
def command(proc: bool, as_json: bool) -> int:
    """List every algorithm: who offers it, by which library; or why it is absent.

    Of several drivers of one algorithm the plain name gets the one with the highest priority. One that failed its
    self-test is listed with the reason, and given to nobody.
    """
    if proc and as_json:
        raise click.UsageError("--proc and --json are two forms of one list; choose one")
    with options.layer(1) as layer:
        if proc:
            from acrypto.registry.proc import proc_text

            print(proc_text(layer.offers()), end="")
            return 0
        rows = layer.algorithms()
    if as_json:
        tell([row.as_dict() for row in rows])
        return 0
    cells = []
    for row in rows:
        priority = "" if row.absent else row.priority
        cells.append((row.name, row.kind, row.driver, row.device, priority, row.selftest, row.library, _notes(row)))
    table(("name", "kind", "driver", "device", "priority", "selftest", "library", "notes"), cells, right=(4,))
    return 0


def _notes(row: AlgorithmRow) -> str:
    notes = []
    if row.absent:
        notes.append(f"absent: {row.absent}")
    if row.insecure:
        notes.append("insecure: only if asked for")
    if row.reason:
        notes.append(f"self-test: {row.reason}")
    return "; ".join(notes)
