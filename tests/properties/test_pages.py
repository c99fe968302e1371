"""Laws of batches whose results lie in one piece of memory."""

from __future__ import annotations

import array
import asyncio
import mmap
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import acrypto
from acrypto.engines.faulty import Faulty
from acrypto.engines.simulated import Simulated
from acrypto.kernel import errno

PAGE = 4096
TEXT = (b"The quick brown fox jumps over the lazy dog. " * 2000)[: 17 * PAGE + 100]
NOISE = random.Random(2).randbytes(3 * PAGE)
#: Pages that become smaller, pages that do not, and a short one at the end.
MIXED = TEXT[: 5 * PAGE] + NOISE + TEXT[: 2 * PAGE + 17]
UNITS = [MIXED[at : at + PAGE] for at in range(0, len(MIXED), PAGE)]
#: Software writes to slots directly; what an engine may lose is copied there.
ENGINES = {"direct": "software", "copied": Faulty()}


@pytest.fixture(scope="module", params=["direct", "copied"])
def deflate(request: pytest.FixtureRequest) -> Any:
    """Deflate with the fixed code, on an engine that gets the slots and on one that does not."""
    with acrypto.open([ENGINES[request.param]]) as layer:
        yield layer.transform("deflate", strategy="fixed")


def single(transform: acrypto.Transform, units: list[bytes]) -> list[bytes]:
    return [bytes(transform.compress(unit).wait()) for unit in units]


def cut(data: bytes, unit: int) -> list[bytes]:
    return [data[at : at + unit] for at in range(0, len(data), unit)]


@given(
    data=st.one_of(st.binary(max_size=3000), st.integers(0, 9000).map(lambda size: MIXED[size:][:9000])),
    unit=st.integers(1, 5000),
    mode=st.sampled_from(["queued", "inline"]),
)
def test_packed_and_slots_are_one_by_one_and_come_back(
    deflate: acrypto.Transform, data: bytes, unit: int, mode: str
) -> None:
    """Whatever the data, the unit and the lane: the same bytes in each layout, and the source from each of them."""
    unit = max(unit, len(data) // 200)
    right = single(deflate, cut(data, unit))
    slot = max(map(len, right), default=1)
    packed = deflate.compress_many(data, unit=unit, packed=True, mode=mode).wait()
    slots = deflate.compress_many(data, unit=unit, slot=slot, mode=mode).wait()
    for batch in (packed, slots):
        assert [bytes(one) for one in batch] == right
        assert batch.lengths.tolist() == list(map(len, right))
        assert (len(batch), batch.unit, batch.errors) == (len(right), unit, {})
        back = deflate.decompress_many(batch, mode=mode).wait()
        assert back.buffer == data
        assert [bytes(one) for one in deflate.decompress_many(batch, packed=True).wait()] == cut(data, unit)
    assert packed.buffer == b"".join(right)
    assert packed.nbytes == sum(map(len, right))
    assert slots.offsets.tolist() == [slot * index for index in range(len(right))]


def test_a_list_of_messages_may_go_to_one_piece_of_memory(deflate: acrypto.Transform) -> None:
    messages = [b"", b"a", TEXT[:10_000]]
    packed = deflate.compress_many(messages, packed=True).wait()
    assert [bytes(one) for one in packed] == single(deflate, messages)
    assert packed.unit is None
    assert [bytes(one) for one in deflate.decompress_many(packed).wait()] == messages
    with pytest.raises(acrypto.LimitExceeded) as caught:
        deflate.decompress_many(packed, max_output=9999).wait()
    assert caught.value.limit == 9999


def test_a_unit_that_does_not_fit_its_slot_spoils_no_other(deflate: acrypto.Transform) -> None:
    """Pages of noise do not become smaller: they fail with the kernel's number, and the others are all there."""
    batch = deflate.compress_many(MIXED, unit=PAGE, slot=PAGE, return_exceptions=True).wait()
    assert sorted(batch.errors) == [5, 6, 7]
    right = single(deflate, UNITS)
    for index, unit in enumerate(right):
        if index in batch.errors:
            assert isinstance(batch.errors[index], acrypto.OutputTooSmall)
            assert batch.errors[index].capacity == PAGE
            assert batch.lengths[index] == -errno.ENOSPC == errno.errno_of(batch.errors[index])
            with pytest.raises(acrypto.OutputTooSmall):
                batch[index]
        else:
            assert batch[index] == unit
    # What failed once stays failed, and the rest comes back.
    back = deflate.decompress_many(batch, return_exceptions=True).wait()
    assert {index: type(error) for index, error in back.errors.items()} == dict.fromkeys(
        [5, 6, 7], acrypto.OutputTooSmall
    )
    assert all(back[index] == UNITS[index] for index in range(len(UNITS)) if index not in back.errors)


def test_without_return_exceptions_the_first_failure_is_raised(deflate: acrypto.Transform) -> None:
    with pytest.raises(acrypto.OutputTooSmall):
        deflate.compress_many(MIXED, unit=PAGE, slot=PAGE).wait()


def test_damage_is_told_by_unit(deflate: acrypto.Transform) -> None:
    packed = deflate.compress_many(TEXT, unit=PAGE, packed=True).wait()
    damaged = bytearray(packed.buffer)
    damaged[packed.offsets[3]] = 7  # a block type that there is not
    back = deflate.decompress_many(damaged, lengths=packed.lengths, unit=PAGE, return_exceptions=True).wait()
    assert {index: type(error) for index, error in back.errors.items()} == {3: acrypto.CorruptInput}
    assert back.lengths[3] == -errno.EINVAL
    assert [bytes(back[index]) for index in range(len(back)) if index != 3] == [
        unit for index, unit in enumerate(cut(TEXT, PAGE)) if index != 3
    ]


@pytest.mark.parametrize("lengths", [list, tuple, lambda it: array.array("i", it), lambda it: array.array("Q", it)])
def test_lengths_may_be_any_whole_numbers(deflate: acrypto.Transform, lengths: Any) -> None:
    packed = deflate.compress_many(TEXT, unit=PAGE, packed=True).wait()
    given = lengths(packed.lengths.tolist())
    back = deflate.decompress_many(packed.buffer, lengths=given, unit=PAGE).wait()
    assert back.buffer == TEXT
    offsets = lengths(packed.offsets.tolist())
    back = deflate.decompress_many(packed.buffer, lengths=given, offsets=offsets, unit=PAGE).wait()
    assert back.buffer == TEXT
    # Without a unit nobody knows how large a slot must be.
    assert deflate.decompress_many(packed.buffer, lengths=given).wait().buffer == TEXT


def test_a_unit_gives_no_more_than_its_unit(deflate: acrypto.Transform) -> None:
    packed = deflate.compress_many(TEXT, unit=PAGE, packed=True).wait()
    short = deflate.decompress_many(packed, unit=PAGE - 1, return_exceptions=True).wait()
    assert len(short.errors) == len(short) - 1
    assert set(short.lengths.tolist()[:-1]) == {-errno.ENOSPC}
    assert short[-1] == cut(TEXT, PAGE)[-1]


@pytest.mark.parametrize("make", [bytearray, lambda size: mmap.mmap(-1, size)])
def test_results_lie_in_the_callers_memory(deflate: acrypto.Transform, make: Any) -> None:
    """`into` is the batch's memory, and nothing behind the slots, or behind packed results, is touched."""
    into = make(19 * PAGE)
    into[:] = b"\xaa" * len(into)
    batch = deflate.compress_many(TEXT, unit=PAGE, into=into).wait()
    assert batch.buffer is into
    right = single(deflate, cut(TEXT, PAGE))
    for index, unit in enumerate(right):
        assert into[index * PAGE :][: len(unit)] == unit
        assert batch[index] == unit
    assert into[18 * PAGE :] == b"\xaa" * PAGE
    packed = make(18 * PAGE)
    batch = deflate.compress_many(TEXT, unit=PAGE, into=packed, packed=True).wait()
    assert packed[:] == b"".join(right) + bytes(len(packed) - batch.nbytes)
    back = make(len(TEXT))
    assert deflate.decompress_many(batch, into=back).wait().nbytes == len(TEXT)
    assert back[:] == TEXT


def test_packed_results_that_no_longer_fit_fail_by_themselves(deflate: acrypto.Transform) -> None:
    units = [TEXT[:PAGE], NOISE[:PAGE], TEXT[:PAGE]]
    right = single(deflate, units)
    into = bytearray(len(right[0]) + len(right[2]))
    batch = deflate.compress_many(units, into=into, packed=True, return_exceptions=True).wait()
    assert into == right[0] + right[2]
    assert list(batch.errors) == [1]
    assert batch.errors[1].capacity == len(right[2])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"into": bytearray(100)}, "into has 100 bytes; 18 slots of 4096 bytes need at least 69633"),
        ({"slot": 0}, "slot is 0"),
        ({"slot": 5000, "packed": True}, "slot is 5000 and packed"),
    ],
)
def test_what_cannot_be_is_refused_with_value_and_limit(
    deflate: acrypto.Transform, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(acrypto.UsageError, match=told):
        deflate.compress_many(TEXT, unit=PAGE, **wrong)


def test_memory_that_cannot_be_written_or_is_read_is_refused(deflate: acrypto.Transform) -> None:
    with pytest.raises((BufferError, TypeError)):
        deflate.compress_many(TEXT, unit=PAGE, into=bytes(18 * PAGE))
    with pytest.raises(acrypto.UsageError, match="into for many results needs slot"):
        deflate.compress_many([b"x"], into=bytearray(9))
    memory = bytearray(TEXT)
    with pytest.raises(BufferError, match="overlap"):
        deflate.compress_many(memory, unit=PAGE, into=memory, packed=True)
    memory.append(1)  # nothing is held of it


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"lengths": [10, 20], "offsets": [0]}, "1 offsets for 2 lengths"),
        ({"lengths": [10, 20]}, "unit 1 has 20 bytes at 10; the buffer has 25 bytes"),
        ({"lengths": [10], "offsets": [-1]}, "unit 0 is at -1"),
        ({"lengths": [10], "offsets": [1 << 62]}, "at 4611686018427387904"),
        ({"offsets": [10]}, "offsets without lengths"),
        ({"lengths": array.array("Q", [1 << 63])}, "above"),
    ],
)
def test_spans_outside_the_buffer_are_refused(deflate: acrypto.Transform, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(acrypto.UsageError, match=told):
        deflate.decompress_many(bytes(25), unit=PAGE, **wrong)
    with pytest.raises(TypeError, match="whole numbers"):
        deflate.decompress_many(bytes(25), unit=PAGE, lengths=array.array("d", [1.0]))


def test_a_negative_length_is_a_unit_without_data(deflate: acrypto.Transform) -> None:
    packed = deflate.compress_many(TEXT[: 2 * PAGE], unit=PAGE, packed=True).wait()
    lengths = [packed.lengths[0], -errno.ENOSPC, packed.lengths[1]]
    back = deflate.decompress_many(packed.buffer, lengths=lengths, unit=PAGE, return_exceptions=True).wait()
    assert list(back.errors) == [1]
    assert "unit 1 has no data: its length is -28" in str(back.errors[1])
    assert (back[0], back[2]) == (TEXT[:PAGE], TEXT[PAGE : 2 * PAGE])
    none = deflate.decompress_many(b"", lengths=[-1, -2], unit=PAGE, return_exceptions=True).wait()
    assert list(none.errors) == [0, 1]


def test_no_units_are_an_empty_batch(deflate: acrypto.Transform) -> None:
    for batch in (
        deflate.compress_many(b"", unit=PAGE, packed=True).wait(),
        deflate.compress_many([], slot=7).wait(),
        deflate.compress_many(b"", unit=PAGE, into=bytearray()).wait(),
    ):
        assert (len(batch), list(batch), batch.nbytes, batch.lengths.tolist()) == (0, [], 0, [])
        with pytest.raises(IndexError):
            batch[0]


def test_arrays_are_seen_and_written_without_a_copy(deflate: acrypto.Transform) -> None:
    np = pytest.importorskip("numpy")
    pages = np.frombuffer(TEXT[: 16 * PAGE], dtype=np.uint8).reshape(16, PAGE).copy()
    into = np.zeros((16, PAGE), dtype=np.uint8)
    batch = deflate.compress_many(pages, unit=PAGE, into=into).wait()
    lengths, offsets = np.asarray(batch.lengths), np.asarray(batch.offsets)
    assert lengths.dtype == offsets.dtype == np.int64
    assert not lengths.flags.writeable
    assert not lengths.flags.owndata
    assert lengths.ctypes.data == np.asarray(batch.lengths).ctypes.data
    assert batch.buffer is into
    first = np.asarray(batch[1])
    assert first.ctypes.data == into.ctypes.data + PAGE == into[1].ctypes.data
    into[1, 0] ^= 0xFF
    assert first[0] == into[1, 0]
    into[1, 0] ^= 0xFF
    back = np.empty_like(pages)
    deflate.decompress_many(
        into, lengths=lengths.astype(np.uint16), offsets=offsets.astype(np.int32), unit=PAGE, into=back
    ).wait()
    assert (back == pages).all()
    strided = np.zeros((16, 2 * PAGE), dtype=np.uint8)[:, ::2]
    with pytest.raises((BufferError, ValueError)):
        deflate.compress_many(pages, unit=PAGE, into=strided)


def test_results_stay_while_a_view_of_them_lives(deflate: acrypto.Transform) -> None:
    batch = deflate.compress_many(TEXT, unit=PAGE, packed=True).wait()
    view, right = batch[2], bytes(batch[2])
    assert view.readonly
    del batch
    for _ in range(20):
        deflate.compress_many(MIXED, unit=PAGE, packed=True).wait()
    assert view == right


@pytest.mark.parametrize("how", ["dropped", "silent", "held"])
@pytest.mark.parametrize("layout", [{"packed": True}, {"slot": 5000}, {"into": True}])
def test_a_death_in_mid_batch_changes_no_byte(how: str, layout: dict[str, Any]) -> None:
    """What a device had when it died is done by another, wherever the results go."""
    engine = Simulated(algorithms=["deflate"])
    settings = acrypto.Settings(lost_after=0.05, balancer="failover")
    with acrypto.open([engine, "software"], settings=settings) as layer:
        transform = layer.transform("deflate", strategy="fixed")
        right = single(transform, UNITS)
        engine.tune("latency_us", 1e7)
        if "into" in layout:
            layout = {"into": bytearray(len(UNITS) * 5000), "slot": 5000}
        operation = transform.compress_many(MIXED, unit=PAGE, mode="queued", **layout)
        engine.kill(how)
        batch = operation.wait(20)
        assert [bytes(one) for one in batch] == right


def test_a_cancelled_batch_lets_go_of_its_memory() -> None:
    engine = Simulated(algorithms=["deflate"])
    into = bytearray(18 * PAGE)
    with acrypto.open([engine]) as layer:
        transform = layer.transform("deflate", strategy="fixed")
        engine.tune("latency_us", 1e7)
        operation = transform.compress_many(TEXT, unit=PAGE, into=into)
        assert operation.cancel()
        assert operation.cancelled()
        with pytest.raises(BufferError):
            into.append(1)  # the device may still be at work
    del operation
    into.append(1)
    assert not any(into[:-1])


def test_it_is_awaited_in_a_loop() -> None:
    async def main() -> None:
        async with acrypto.open() as layer:
            transform = layer.transform("zstd")
            batches = await asyncio.gather(
                *(transform.compress_many(MIXED[at:], unit=PAGE, packed=True) for at in range(20))
            )
            backs = await asyncio.gather(*(transform.decompress_many(batch) for batch in batches))
            assert [bytes(back.buffer) for back in backs] == [MIXED[at:] for at in range(20)]

    asyncio.run(main())


def test_options_are_known_where_they_mean_something(layer: acrypto.Layer) -> None:
    for wrong in ({"slot": 1}, {"lengths": [1]}):
        with pytest.raises(TypeError, match="unexpected keyword"):
            layer.transform("sha256").digest_many([b"x"], **wrong)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="unexpected keyword"):
        layer.transform("deflate").compress_many([b"x"], lengths=[1])  # type: ignore[call-overload]
