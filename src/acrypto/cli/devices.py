"""`acrypto devices`."""

from __future__ import annotations

import click

from acrypto.cli import options
from acrypto.cli.report import table, tell, warn
from acrypto.model.errors import AcryptoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.cli.queues import Row
    from acrypto.layer.costs import Row as Cost
    from acrypto.layer.layer import Layer

#: What is run to have something measured, at which sizes, how often.
SAMPLE = ("sha256", "crc32", "deflate", "zstd", "lz4")
SIZES = (4 << 10, 64 << 10, 1 << 20)
TIMES = 5
#: How the core writes down that a level, a strategy, a key was not given.
DEFAULTS = (str(-(1 << 31)), "", "0")
#: A row of costs: what a run takes, by how much it delays those behind it, and from how many runs that is known.
COLUMNS = ("device", "algorithm", "direction", "from_bytes", "ns", "gap_ns", "samples")


@click.command("devices")
@click.option("--costs", is_flag=True, help="Run a sample of work first, and list what it and all before cost.")
@click.option("--tree", "as_tree", is_flag=True, help="Print the whole state of the layer, as a tree of files.")
@click.option("--balancer", metavar="NAME", help="Place work by this policy; `?` lists those that there are.")
@options.as_json
def command(costs: bool, as_tree: bool, balancer: str | None, as_json: bool) -> int:
    """List devices: their state, workers, queue and its budget, and what they did since they were opened.

    Behind them the work queues that the engine `iaa` would use: of real devices, and of soft ones (see `config`).

    Sizes are in bytes, costs in nanoseconds. A layer belongs to its process, so the counters are those of this command,
    as is the balancer; what work cost is kept for the next ones.
    """
    if as_tree and costs:
        raise click.UsageError("--tree shows the costs as well, and --costs no tree; choose one")
    with options.layer() as layer:
        if balancer == "?":
            return _tell_balancers(layer, as_json=as_json)
        if balancer is not None:
            layer.set_balancer(balancer)
        if as_tree:
            tree = layer.tree()
            if as_json:
                tell({"tree": tree.as_dict()})
            else:
                print(tree)
            return 0
        if costs:
            _work(layer)
        devices = layer.devices()
        balancers = layer.balancers() if balancer is not None else []
        measured = _costs(layer) if costs else []
    idxd = _idxd_queues()
    if as_json:
        row: dict[str, object] = {"devices": [device.as_dict() for device in devices], "queues": idxd}
        if balancers:
            row["balancers"] = [one.as_dict() for one in balancers]
        if costs:
            row["costs"] = [dict(zip(COLUMNS, cost, strict=True)) for cost in measured]
        tell(row)
        return 0
    if balancers:
        print("balancer:", *balancers, end="\n\n")
    table(
        ("name", "engine", "state", "workers", "operations", "bytes", "completed", "failed"),
        (
            (
                device.name,
                device.engine,
                device.state,
                device.workers,
                f"{device.operations}/{device.max_operations}",
                f"{device.bytes:,}/{device.max_bytes:,}",
                device.completed,
                device.failed,
            )
            for device in devices
        ),
        right=(3, 4, 5, 6, 7),
    )
    if idxd:
        from acrypto.cli import queues

        print()
        queues.show(idxd)
    if costs:
        print()
        rows = ((device, _shown(name), way, *(f"{n:,}" for n in numbers)) for device, name, way, *numbers in measured)
        table([column.replace("_", " ") for column in COLUMNS], rows, right=(3, 4, 5, 6))
    return 0


def _idxd_queues() -> list[Row]:
    """The work queues of real idxd devices, and of the soft ones that are configured."""
    from acrypto.cli import queues
    from acrypto.idxd import stored, sysfs

    rows = queues.real(sysfs.discover())
    try:
        rows += queues.soft(stored.open_bus(queues.nothing))
    except (AcryptoError, OSError) as error:
        warn(str(error))
    return rows


def _tell_balancers(layer: Layer, *, as_json: bool) -> int:
    rows = layer.balancers()
    if as_json:
        tell({"balancers": [row.as_dict() for row in rows]})
    else:
        print(*rows, sep="\n")
    return 0


def _costs(layer: Layer) -> list[Cost]:
    """What was measured in this process, and what is known from earlier ones beside it."""
    from acrypto.layer.costs import SavedCosts

    return sorted(SavedCosts().merged(layer.costs()))


def _shown(name: str) -> str:
    """A cost table's name, ALGORITHM:LEVEL:STRATEGY:KEY BYTES, without what is left to the defaults."""
    algorithm, *told = name.split(":")
    return ":".join([algorithm, *(word for word, default in zip(told, DEFAULTS, strict=False) if word != default)])


def _work(layer: Layer) -> None:
    from acrypto.cli.sample import text

    for nbytes in SIZES:
        data = text(nbytes)
        for name in SAMPLE:
            transform = layer.transform(name)
            for _ in range(TIMES):
                if transform.kind == "digest":
                    transform.digest(data).wait()
                else:
                    packed = transform.compress(data).wait()
                    transform.decompress(packed, max_output=nbytes).wait()
