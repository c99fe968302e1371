"""`acrypto devices`."""

from __future__ import annotations

import click

from acrypto.cli import options
from acrypto.cli.report import table, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.layer.layer import Layer

#: What is run to have something measured, at which sizes, how often.
SAMPLE = ("sha256", "crc32", "deflate", "zstd", "lz4")
SIZES = (4 << 10, 64 << 10, 1 << 20)
TIMES = 5


@click.command("devices")
@click.option("--costs", is_flag=True, help="Run a sample of work first, and list what it cost (nanoseconds).")
@options.as_json
def command(costs: bool, as_json: bool) -> int:
    """List devices: their state, workers, queue and its budget, and what they did since they were opened.

    Sizes are in bytes. A layer belongs to its process, so the counters are those of this command.
    """
    with options.layer() as layer:
        if costs:
            _work(layer)
        devices = layer.devices()
        measured = layer.costs() if costs else []
    if as_json:
        row: dict[str, object] = {"devices": [device.as_dict() for device in devices]}
        if costs:
            names = ("algorithm", "direction", "from_bytes", "ns")
            row["costs"] = [dict(zip(names, cost, strict=True)) for cost in measured]
        tell(row)
        return 0
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
    if costs:
        print()
        rows = ((_shown(name), direction, f"{least:,}", f"{ns:,}") for name, direction, least, ns in measured)
        table(("algorithm", "direction", "from bytes", "ns"), rows, right=(2, 3))
    return 0


def _shown(name: str) -> str:
    """A cost table's name, DEVICE/ALGORITHM:LEVEL:STRATEGY:KEY, with no more than the sample told."""
    return name.partition(":")[0]


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
