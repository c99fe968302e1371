"""Devices that die, fail or lie in the middle of a stream: the bytes that come out are those that software gives."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.interop.peers import run
from tests.layer.only import STRONGEST, device
from tests.streams.memory import MIB, Trickle, mixed

import acrypto
from acrypto.engines.faulty import Fault, Faulty
from acrypto.engines.simulated import DEATHS, Simulated
from acrypto.streams import Compress, Decompress, Decrypt, Digest, Encrypt, Pipeline, X25519Identity
from acrypto.streams.tally import Tally

if TYPE_CHECKING:
    from acrypto.streams.stage import Stage

PLAIN = mixed(12 * MIB + 345)
ME = X25519Identity.generate()
#: Bytes in flight: few, so that there is a middle in which some were done and others are not.
FEW = 3 * MIB
#: Seconds after which what a silent device has is done elsewhere.
LOST_AFTER = 0.3
FORMATS = ("gzip", "bgzf", "zstd", "lz4")


def there(format: str) -> Stage:
    # Levels that igzip makes may differ by where its state lies in memory.
    return Compress(format, 4 if format in {"gzip", "bgzf"} else None)


@functools.cache
def packed(name: str) -> bytes:
    """What is decompressed or decrypted, by software alone."""
    if name == "foreign":
        return run("gzip -1 -c", PLAIN)
    stages: list[Stage] = [Encrypt([ME.recipient])] if name == "age" else [there(name)]
    with acrypto.open(["software"]) as layer:
        return drive(layer, PLAIN, stages)[0]


class Devices(Tally):
    """An account that tells who did the work."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def ran(self, operation: Any, *, beside: bool = False) -> None:
        self.names.add(operation.completion.device)
        super().ran(operation, beside=beside)


def drive(layer: acrypto.Layer, source: Any, stages: list[Stage], **how: Any) -> tuple[bytes, list[bytes]]:
    """What comes out, and the digests."""
    sink = io.BytesIO()
    result = Pipeline(layer, source, stages, sink, **how).drive()
    return sink.getvalue(), [each.value for each in result.digests]


#: What is done, to what, in how many bytes at a time.
WORK: dict[str, Callable[[], tuple[bytes, list[Stage]]]] = {
    **{f"compress {name}": functools.partial(lambda name: (PLAIN, [there(name)]), name) for name in FORMATS},
    **{
        f"decompress {name}": functools.partial(lambda name: (packed(name), [Decompress()]), name)
        for name in (*FORMATS, "foreign")
    },
    "encrypt": lambda: (PLAIN, [Encrypt([ME.recipient])]),
    "decrypt": lambda: (packed("age"), [Decrypt([ME])]),
    "digest": lambda: (PLAIN, [Digest("sha256", "blake3", "crc32")]),
    "all": lambda: (PLAIN, [Digest("sha256"), there("zstd"), Digest("crc32"), Encrypt([ME.recipient]), Decrypt([ME])]),
}
each = pytest.mark.parametrize("name", WORK)


@functools.cache
def right(name: str) -> tuple[bytes, list[bytes]]:
    with acrypto.open(["software"]) as layer:
        return readable(name, drive(layer, *WORK[name]()))


#: What is done step by step, by one that remembers: the software does it itself, whoever else is there.
IN_STEPS = {"digest", "decompress foreign"}


def readable(name: str, made: tuple[bytes, list[bytes]]) -> tuple[bytes, list[bytes]]:
    """Encryption takes fresh keys each time, so that is turned back."""
    if name != "encrypt":
        return made
    with acrypto.open(["software"]) as layer:
        return drive(layer, made[0], [Decrypt([ME])])


def pieces(data: bytes, befalls: Callable[[], object]) -> Iterator[bytes]:
    """Slices, and something happens when half of them went out."""
    size = max(1, len(data) // 30)
    for number, at in enumerate(range(0, len(data), size)):
        if number == 15:
            befalls()
        yield data[at : at + size]


def opened(*engines: Any, **values: Any) -> acrypto.Layer:
    how = {**STRONGEST, "lost_after": LOST_AFTER, "workers": 2, **values}
    return acrypto.open([*engines, "software"], settings=acrypto.Settings(**how))


def near(**how: Any) -> Simulated:
    """A device that takes everything, and has some of it in its hands at any time."""
    return Simulated(name="near", priority=200, latency_us=300, jitter=0.5, window=4, seed=3, **how)


@each
@pytest.mark.parametrize("death", DEATHS)
def test_a_death_in_mid_stream_changes_no_byte(name: str, death: str) -> None:
    data, stages = WORK[name]()
    engine = near()
    with opened(engine) as layer:
        devices = Devices()
        made = drive(layer, pieces(data, lambda: engine.kill(death)), stages, tally=devices, in_flight=FEW)
        assert readable(name, made) == right(name)
        assert devices.names == ({"software0"} if name in IN_STEPS else {"near0", "software0"})
    assert layer.lingering() == 0


@each
def test_a_device_that_leaves_in_mid_stream_changes_no_byte(name: str) -> None:
    data, stages = WORK[name]()
    with opened(near()) as layer:
        made = drive(layer, pieces(data, lambda: layer.remove_device("near0")), stages, in_flight=FEW)
        assert readable(name, made) == right(name)


@each
def test_failures_change_no_byte(name: str) -> None:
    data, stages = WORK[name]()
    engine = near()
    with opened(engine) as layer:
        made = drive(layer, pieces(data, lambda: engine.tune("error_rate", 1.0)), stages, in_flight=FEW)
        assert readable(name, made) == right(name)


@each
def test_a_liar_that_is_cross_checked_changes_no_byte(name: str) -> None:
    """Each result is computed once more elsewhere: none that is wrong goes on."""
    data, stages = WORK[name]()
    engine = near()
    with opened(engine, crosscheck=1) as layer:
        made = drive(layer, pieces(data, lambda: engine.tune("corrupt_rate", 1.0)), stages, in_flight=FEW)
        assert readable(name, made) == right(name)
        assert device(layer, "near0").state == ("up" if name in IN_STEPS else "quarantined")


FAULTS = {
    "refuse": Fault("refuse", every=3, times=40),
    "delay": Fault("delay", every=5, seconds=0.005),
    "fail": Fault("fail", every=4, after=3),
    "drop": Fault("drop", after=4, times=1),
    "duplicate": Fault("duplicate", every=2),
    "die": Fault("die", after=4, times=1),
    "corrupt": Fault("corrupt", after=4),
}


@pytest.mark.parametrize("name", [name for name in WORK if name not in {*IN_STEPS, "all"}])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_on_a_schedule_change_no_byte(name: str, fault: str) -> None:
    """On two of them, one without a schedule: as soon as there is another engine nobody asks such a one.

    What is done in steps is not looked at here: whoever fails in it, when there is no software, fails the stream.
    """
    data, stages = WORK[name]()
    how = {"crosscheck": 1} if fault == "corrupt" else {}
    layer = acrypto.open(
        [Faulty(FAULTS[fault]), Faulty()],
        settings=acrypto.Settings(**{**STRONGEST, "lost_after": LOST_AFTER, "workers": 2, **how}),  # type: ignore[arg-type]
    )
    with layer:
        devices = Devices()
        made = drive(layer, pieces(data, lambda: None), stages, tally=devices, in_flight=FEW)
        assert readable(name, made) == right(name)
        assert "faulty0" in devices.names
        assert fault not in {"die", "corrupt"} or "faulty1" in devices.names


# ---- Splits and workers


def sources(kind: str, data: bytes, sizes: list[int], folder: Path) -> Any:
    """One of every kind, whose reads give so many bytes in turn."""
    turns = iter(sizes * (len(data) // sum(sizes) + 1))
    match kind:
        case "iterator":
            return _cut(data, turns)
        case "readinto":
            return Trickle(data, lambda: next(turns, MIB))
        case "read":
            file = io.BytesIO(data)
            return _OnlyRead(lambda size: file.read(min(size, next(turns, MIB))))
        case "path":
            (folder / "data").write_bytes(data)
            return folder / "data"
        case _:
            return memoryview(data)


def _cut(data: bytes, turns: Iterator[int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = next(turns, MIB)
        yield data[at : at + size]
        at += size


class _OnlyRead:
    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


@settings(max_examples=40)
@given(
    name=st.sampled_from([name for name in WORK if name != "all"]),
    kind=st.sampled_from(["iterator", "readinto", "read", "path", "memory"]),
    sizes=st.lists(st.integers(1, 3 * MIB), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 100_000),
    workers=st.integers(1, 4),
    piece=st.sampled_from([4096, 64 << 10, MIB]),
    in_flight=st.sampled_from([1, MIB, 24 * MIB]),
    simulated=st.booleans(),
)
def test_any_split_on_any_workers_gives_the_same_bytes(
    tmp_path: Path,
    name: str,
    kind: str,
    sizes: list[int],
    workers: int,
    piece: int,
    in_flight: int,
    simulated: bool,
) -> None:
    """Nor do the size of a read, what may be in flight, and completions out of order matter."""
    data, stages = WORK[name]()
    with opened(*([near()] if simulated else []), workers=workers) as layer:
        source = sources(kind, data, sizes, tmp_path)
        made = drive(layer, source, stages, piece=piece, in_flight=in_flight)
        assert readable(name, made) == right(name)
