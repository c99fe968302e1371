"""The null engine: at once, nothing, in each of its forms."""

from __future__ import annotations

import asyncio

import pytest

import acrypto
from acrypto.engines.null import Null

forms = pytest.mark.parametrize("engine", [Null, lambda: Null(inline=False), lambda: Null(python=True)])


@forms
def test_every_algorithm_gives_an_empty_result(engine) -> None:
    with acrypto.open([engine()]) as layer:
        assert layer.digest("sha256", b"x").wait(10) == b""
        assert layer.compress("gzip", b"x").wait(10) == b""
        assert layer.decompress("gzip", b"not gzip at all").wait(10) == b""
        aead = layer.transform("gcm(aes)", key=bytes(16))
        assert aead.encrypt(bytes(12), b"x").wait(10) == b""
        assert layer.transform("sha256").digest_many([b"x"] * 50).wait(10) == [b""] * 50


@forms
def test_it_never_outbids_anybody(engine) -> None:
    with acrypto.open([engine(), "software"]) as layer:
        assert layer.digest("sha256", b"x").wait() == acrypto.sha256(b"x")


@forms
def test_it_works_in_a_loop(engine) -> None:
    async def main() -> None:
        async with acrypto.open([engine()]) as layer:
            operations = [layer.digest("sha256", b"x") for _ in range(300)]
            assert set(await asyncio.gather(*operations)) == {b""}
            operation = layer.digest("sha256", b"x")
            await operation
            assert operation.completion is not None
            assert operation.completion.device == "null0"

    asyncio.run(main())


class Counted(Null):
    """Counts how often it was closed; the third time it cannot be."""

    closed = 0

    def close(self) -> None:
        Counted.closed += 1
        if Counted.closed == 3:
            raise RuntimeError("cannot be closed")


def test_its_layer_closes_an_engine_once(caplog: pytest.LogCaptureFixture) -> None:
    """When the device is removed, or with the layer; an engine that cannot be closed keeps no layer from closing."""
    Counted.closed = 0
    with acrypto.open([Counted(), Counted()]) as layer:
        layer.remove_device("null0")
        assert Counted.closed == 1
    layer.close()
    assert Counted.closed == 2
    assert not caplog.records
    acrypto.open([Counted()]).close()
    assert "closing the engine null failed" in caplog.text
