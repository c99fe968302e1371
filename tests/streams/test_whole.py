"""What cannot be cut: one message, in bounded memory."""

from __future__ import annotations

import io

import pytest

import acrypto
from acrypto.streams import whole
from acrypto.streams.pipeline import Pipeline
from acrypto.streams.run import Result
from acrypto.streams.stage import Stage
from acrypto.streams.whole import WholeCompress, WholeDecompress


def test_an_input_is_taken_whole_or_refused(layer: acrypto.Layer) -> None:
    """As large as the limit it comes; a byte larger it does not, and the limit is named."""
    data = bytes(range(251)) * 20
    pieces = [data[at : at + 700] for at in range(0, len(data), 700)]
    assert b"".join(whole.gathered(iter(pieces), "xz", len(data))) == data
    with pytest.raises(acrypto.LimitExceeded, match=f"xz takes .* at most {len(data) - 1} bytes") as caught:
        whole.gathered(iter(pieces), "xz", len(data) - 1)
    assert caught.value.limit == len(data) - 1


def moved(layer: acrypto.Layer, data: bytes, stage: Stage) -> tuple[bytes, Result]:
    sink = io.BytesIO()
    result = Pipeline(layer, data, [stage], sink).drive()
    return sink.getvalue(), result


@pytest.mark.parametrize("name", ["zlib", "lz4-block", "deflate-libdeflate"])
@pytest.mark.parametrize("data", [b"", b"a", bytes(100_000)], ids=len)
def test_a_message_goes_there_and_back(layer: acrypto.Layer, name: str, data: bytes) -> None:
    """By an algorithm's name or a driver's; the account tells who did it."""
    packed, result = moved(layer, data, WholeCompress(name))
    assert result.tally.runner is not None
    assert moved(layer, packed, WholeDecompress(name))[0] == data
    assert moved(layer, packed, WholeDecompress(name, limited=False))[0] == data


def test_a_result_beyond_the_limit_is_refused_and_not_written(layer: acrypto.Layer) -> None:
    packed, _ = moved(layer, bytes(1000), WholeCompress("zlib"))
    assert moved(layer, packed, WholeDecompress("zlib", max_output=1000))[0] == bytes(1000)
    back = io.BytesIO()
    with pytest.raises(acrypto.LimitExceeded):
        Pipeline(layer, packed, [WholeDecompress("zlib", max_output=999)], back).drive()
    with pytest.raises(acrypto.CorruptInput):
        Pipeline(layer, packed[:-1], [WholeDecompress("zlib")], back).drive()
    assert back.getvalue() == b""
