"""What cannot be cut: one message, in bounded memory."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

import acrypto
from acrypto.streams import whole
from acrypto.streams.tally import Tally


class Dribble(io.BytesIO):
    """A pipe that gives little at a time."""

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        return super().readinto(buffer[:7])


@given(st.binary(max_size=100), st.integers(0, 100))
def test_an_input_is_read_whole_or_refused(data: bytes, limit: int) -> None:
    """As large as the limit it comes; a byte larger it does not, and the limit is named."""
    tally = Tally()
    if len(data) <= limit:
        assert whole.read(Dribble(data), tally, format="xz", limit=limit) == data
        assert tally.bytes_in == len(data)
    else:
        with pytest.raises(acrypto.LimitExceeded, match=f"xz takes .* at most {limit} bytes") as caught:
            whole.read(Dribble(data), tally, format="xz", limit=limit)
        assert caught.value.limit == limit


def test_an_input_of_several_pieces_is_read_whole() -> None:
    data = bytes(range(251)) * 20_000
    for cut in (0, 1, len(data) - whole.PIECE, 2 * whole.PIECE - len(data)):
        assert whole.read(io.BytesIO(data[cut:]), Tally(), format="xz") == data[cut:]
    with pytest.raises(acrypto.LimitExceeded):
        whole.read(io.BytesIO(data), Tally(), format="xz", limit=len(data) - 1)


@pytest.mark.parametrize("name", ["zlib", "lz4-block", "deflate-libdeflate"])
@pytest.mark.parametrize("data", [b"", b"a", bytes(100_000)], ids=len)
def test_a_message_goes_there_and_back(name: str, data: bytes) -> None:
    """By an algorithm's name or a driver's; the account tells who did it."""
    with acrypto.open() as layer:
        packed, back, tally = io.BytesIO(), io.BytesIO(), Tally()
        whole.compress(layer, memoryview(data), packed, tally, format=name)
        assert tally.bytes_out == len(packed.getvalue())
        assert tally.runner is not None
        whole.decompress(layer, packed.getbuffer(), back, Tally(), format=name)
        assert back.getvalue() == data
        whole.decompress(layer, packed.getbuffer(), None, Tally(), format=name, limited=False)


def test_a_result_beyond_the_limit_is_refused_and_not_written() -> None:
    with acrypto.open() as layer:
        packed, back = io.BytesIO(), io.BytesIO()
        whole.compress(layer, memoryview(bytes(1000)), packed, Tally(), format="zlib")
        whole.decompress(layer, packed.getbuffer(), back, Tally(), format="zlib", max_output=1000)
        assert back.getvalue() == bytes(1000)
        with pytest.raises(acrypto.LimitExceeded):
            whole.decompress(layer, packed.getbuffer(), back, Tally(), format="zlib", max_output=999)
        with pytest.raises(acrypto.CorruptInput):
            whole.decompress(layer, packed.getbuffer()[:-1], back, Tally(), format="zlib")
        assert len(back.getvalue()) == 1000
