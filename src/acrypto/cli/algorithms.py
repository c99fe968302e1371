"""`acrypto algorithms`."""

from __future__ import annotations

import click

from acrypto.cli import options
from acrypto.cli.report import table, tell


@click.command("algorithms")
@options.as_json
def command(as_json: bool) -> int:
    """List every algorithm: who offers it, by which library; or why it is absent.

    Of several drivers of one algorithm the plain name gets the one with the highest priority.
    """
    with options.layer(1) as layer:
        rows = layer.algorithms()
    if as_json:
        tell([row.as_dict() for row in rows])
        return 0
    cells = []
    for row in rows:
        notes = f"absent: {row.absent}" if row.absent else "insecure: only if asked for" if row.insecure else ""
        priority = "" if row.absent else row.priority
        cells.append((row.name, row.kind, row.driver, row.device, priority, row.library, notes))
    table(("name", "kind", "driver", "device", "priority", "library", "notes"), cells, right=(4,))
    return 0
