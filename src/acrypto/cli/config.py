"""`acrypto config`: soft idxd devices, in the format of accel-config."""

from __future__ import annotations

import os
import sys

import click

from acrypto.cli import options, queues, standard
from acrypto.cli.report import tell, warn
from acrypto.cli.standard import STDIN
from acrypto.idxd import configuration, stored
from acrypto.idxd.accel_config import MAX_BYTES, parse, render
from acrypto.idxd.errors import BusError
from acrypto.model.errors import CorruptInput
from acrypto.streams.replacement import Replacement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.idxd.bus import Bus


@click.group("config")
def command() -> None:
    """Configure the soft devices of the engine `iaa`.

    The format is that of `accel-config save-config`, so a file goes from a real device to a soft one and back. What is
    stored is used whenever soft devices are opened; without it there is one, iax1, as the kernel configures a real one.
    """


@command.command("load")
@click.argument("file", type=click.Path(), metavar="FILE")
@click.option("--check", is_flag=True, help="Only tell whether FILE would be taken.")
@options.as_json
def load(file: str, check: bool, as_json: bool) -> int:
    """Check FILE against the rules of the devices, and store it."""
    data = _read(file)
    try:
        loaded = stored.build(parse(data), queues.nothing)[1]
    except CorruptInput as error:
        raise CorruptInput(f"{file}: {error}", error.offset) from None
    except BusError as error:
        raise error.at(file, ": ") from None
    place = None if check else stored.path()
    if place is None and not check:
        raise click.UsageError("ACRYPTO_IDXD_CONFIG is empty, so there is no place to store to; --check only checks")
    if place is not None:
        os.makedirs(os.path.dirname(os.path.abspath(place)), mode=0o700, exist_ok=True)
        with Replacement(place, force=True) as result:
            result.file.write(data)
            result.commit()
    if as_json:
        tell(
            {
                "operation": "load",
                "stored": place,
                "devices": list(loaded.devices),
                "queues": [*loaded.queues, *loaded.waiting],
                "skipped": list(loaded.skipped),
            }
        )
        return 0
    for setting in loaded.skipped:
        warn(f"{file}: {setting} is passed over: the device has no such setting")
    names = ", ".join((*loaded.devices, *loaded.queues, *loaded.waiting)) or "no device"
    print(f"{names}: {'checked' if place is None else f'stored in {place}'}")
    return 0


@command.command("save")
@click.option("-o", "--output", type=click.Path(), metavar="OUT", help="File to write; standard output if not given.")
@click.option("--force", is_flag=True, help="Overwrite a file.")
def save(output: str | None, force: bool) -> int:
    """Write the configuration of the soft devices, as `accel-config load-config` takes it."""
    bus, acrypto, _place = _open()
    text = render(configuration.save(bus, acrypto))
    if output is None or output == STDIN:
        with standard.sink() as sink:
            sink.write(text.encode())
        return 0
    with Replacement(output, force=force) as result:
        result.file.write(text.encode())
        result.commit()
    return 0


@command.command("show")
@options.as_json
def show(as_json: bool) -> int:
    """Show the soft devices and their queues, and where their configuration comes from."""
    bus, acrypto, place = _open()
    rows = queues.soft(bus)
    if as_json:
        told = {"configuration": place, "path": stored.path(), "devices": bus.devices(), "queues": rows}
        tell(told | ({"acrypto": acrypto} if acrypto else {}))
        return 0
    print(f"configuration: {place or 'the default; nothing is stored'}")
    print()
    queues.show(rows)
    return 0


def _open() -> tuple[Bus, dict[str, dict[str, object]], str | None]:
    found = stored.read()
    bus = stored.open_bus(queues.nothing)
    return bus, stored.acrypto_of(found or ()), None if found is None else stored.path()


def _read(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with open(file, "rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if not data:
        raise CorruptInput(f"{file} is empty")
    return data
