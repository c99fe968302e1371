"""Routes: one request of many stages is the stages done by hand, and its reverse is its inverse."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.layer.conftest import Run
from tests.layer.ways import KINDS, MOST, SEALED, Way, content

import acrypto

sizes = st.one_of(st.integers(0, 300), st.integers(0, 1 << 16), st.integers(1 << 19, 1 << 20))
messages = st.builds(content, sizes, st.integers(0, 9))
stages = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6)
forms: dict[str, Callable[[bytes], object]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": lambda data: memoryview(bytearray(data)),
    "segments": lambda data: [data[: len(data) // 3], bytearray(data[len(data) // 3 :]), b""],
}


# ---- Equal to the stages by hand


@given(names=stages, data=messages, form=st.sampled_from(sorted(forms)))
@example(names=["sha256"], data=b"", form="segments")
@example(names=["zstd", "gcm(aes)", "hmac(sha256)"], data=bytes(1 << 20), form="bytearray")
def test_a_route_is_its_stages_done_by_hand(home: acrypto.Layer, names: list[str], data: bytes, form: str) -> None:
    way = Way.of(home, names)
    source = forms[form](data)
    operation = way.run(source)
    result = bytes(operation.wait(60))
    assert way.undo_by_hand(result, operation.completion.digests) == data
    assert operation.completion.bytes_in == len(data)
    assert operation.completion.bytes_out == len(result)
    assert (source if form == "bytes" else data) == data


@given(names=stages, data=messages)
def test_its_reverse_is_its_inverse(home: acrypto.Layer, names: list[str], data: bytes) -> None:
    way = Way.of(home, names)
    there = way.run(data)
    packed = there.wait(60)
    back = way.back(packed)
    assert bytes(back.wait(60)) == data
    assert back.completion.digests == there.completion.digests[::-1]
    assert way.route.reverse().reverse().algorithms == names


@given(names=stages.filter(lambda names: names[-1] in {"gcm(aes)", "hmac(sha256)"}), data=messages, at=st.integers(0))
def test_a_flipped_bit_is_told_and_nothing_is_released(
    soft: acrypto.Layer, names: list[str], data: bytes, at: int
) -> None:
    way = Way.of(soft, names)
    damaged = bytearray(way.run(data).wait(60))
    damaged[at // 8 % len(damaged)] ^= 1 << at % 8
    into = bytearray(b"\xa5" * (len(data) + 64 * len(names)))
    with pytest.raises((acrypto.AuthenticationError, acrypto.CorruptInput)):
        way.back(damaged, into=into).wait(60)
    assert set(into) <= {0xA5, 0}
    with pytest.raises((acrypto.AuthenticationError, acrypto.CorruptInput)):
        way.back(damaged).wait(60)


@pytest.mark.parametrize("names", SEALED, ids="|".join)
def test_every_bit_counts(soft: acrypto.Layer, names: list[str]) -> None:
    way = Way.of(soft, names)
    packed = bytes(way.run(b"short").wait())
    for bit in range(8 * len(packed)):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(acrypto.AuthenticationError):
            way.back(damaged).wait()
    for cut in range(len(packed)):
        with pytest.raises(acrypto.AuthenticationError):
            way.back(packed[:cut]).wait()


@pytest.mark.parametrize("missing", ["nonce", "ad"])
@pytest.mark.parametrize("names", SEALED, ids="|".join)
def test_the_extras_are_authenticated(soft: acrypto.Layer, names: list[str], missing: str) -> None:
    """Each of its own stage: another value is not let through."""
    way = Way.of(soft, names)
    packed = way.run(b"data" * 99).wait()
    for index in way.extras.get("ad", {}):
        extras = {name: dict(values) for name, values in way.extras.items()}
        extras[missing][index] = b"?" * len(extras[missing][index])
        with pytest.raises(acrypto.AuthenticationError):
            way.route.reverse().run(packed, **extras).wait()


def test_a_route_is_reusable_and_shareable(home: acrypto.Layer) -> None:
    way = Way.of(home, ["zlib", "gcm(aes)", "sha256", "hmac(sha512)"])
    texts = [b"%d" % number * (37 * number) for number in range(100)]
    wrong: list[object] = []

    def work() -> None:
        operations = [way.run(text) for text in texts]
        for text, operation in zip(texts, operations, strict=True):
            if way.undo_by_hand(bytes(operation.wait(60)), operation.completion.digests) != text:
                wrong.append(text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_it_is_awaited_like_any_operation(run: Run, home: acrypto.Layer) -> None:
    way = Way.of(home, ["zstd", "gcm(aes)", "hmac(sha256)"])

    async def main() -> None:
        packed = await asyncio.gather(*(way.run(b"%d" % number * 1000) for number in range(200)))
        back = await asyncio.gather(*(way.back(each) for each in packed))
        assert [bytes(each) for each in back] == [b"%d" % number * 1000 for number in range(200)]

    run(main())


# ---- Into the caller's memory

WAYS = [[name] for name in sorted(KINDS)] + SEALED + [["gcm(aes)", "sha256"], ["sha256", "zlib"]]


@pytest.mark.parametrize("names", WAYS, ids="|".join)
@pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
def test_into_gives_the_count_and_touches_nothing_behind(home: acrypto.Layer, names: list[str], size: int) -> None:
    way = Way.of(home, names)
    data = content(size, 1)
    expected = bytes(way.run(data).wait(60))
    memory = bytearray(b"\xa5" * (len(expected) + 64))
    with memoryview(memory) as view, view[: len(expected)] as exact:
        assert way.run(data, into=exact).wait(60) == len(expected)
    assert memory == expected + b"\xa5" * 64
    if not expected:
        return
    for room in {0, len(expected) // 2, len(expected) - 1}:
        memory = bytearray(b"\xa5" * (len(expected) + 64))
        with memoryview(memory) as view, view[:room] as small, pytest.raises(acrypto.OutputTooSmall) as told:
            way.run(data, into=small).wait(60)
        assert told.value.capacity == room
        assert memory[room:] == b"\xa5" * (len(memory) - room)


@pytest.mark.parametrize("names", WAYS, ids="|".join)
def test_the_reverse_writes_into_the_callers_memory_as_well(home: acrypto.Layer, names: list[str]) -> None:
    way = Way.of(home, names)
    data = content(5000, 2)
    packed = way.run(data).wait(60)
    memory = bytearray(b"\xa5" * 5064)
    with memoryview(memory) as view, view[:5000] as exact:
        assert way.back(packed, into=exact).wait(60) == 5000
    assert memory == data + b"\xa5" * 64
    with memoryview(memory) as view, view[:4999] as small, pytest.raises(acrypto.OutputTooSmall):
        way.back(packed, into=small).wait(60)
    assert memory[4999:] == data[-1:] + b"\xa5" * 64


def test_into_may_not_overlap_the_source(soft: acrypto.Layer) -> None:
    memory = bytearray(1000)
    with pytest.raises(BufferError, match="overlaps"):
        Way.of(soft, ["zlib", "gcm(aes)"]).run(memory, into=memory)


@pytest.mark.parametrize("names", [["zlib"], ["zstd", "hmac(sha256)"], ["deflate", "gcm(aes)", "hmac(sha512)"]])
def test_a_bomb_stops_at_the_limit(soft: acrypto.Layer, names: list[str]) -> None:
    way = Way.of(soft, names)
    bomb = way.run(bytes(MOST)).wait(60)
    assert len(way.back(bomb, max_output=MOST).wait(60)) == MOST
    for limit in (MOST - 1, len(bomb), 1000):
        with pytest.raises(acrypto.LimitExceeded) as told:
            way.back(bomb, max_output=limit).wait(60)
        assert told.value.limit == limit
    settings = acrypto.Settings(max_output=MOST - 1)
    with acrypto.open(["software"], settings=settings) as strict, pytest.raises(acrypto.LimitExceeded):
        Way.of(strict, names).back(bomb).wait(60)
