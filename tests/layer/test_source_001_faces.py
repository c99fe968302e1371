"""The interfaces that the review of 2005 asked for: a driver's, a consumer's, a bridge of both manners, and files."""

from __future__ import annotations

import asyncio
import hashlib
import zlib

import pytest
from tests.layer.conftest import Run
from tests.layer.laws import PATIENCE, Keeper, opened, ran_on

import acrypto
from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.engines.simulated import Simulated
from acrypto.model.offers import Limits

MESSAGES = [b"%d" % number * 50 for number in range(100)]
RIGHT = [hashlib.sha256(message).digest() for message in MESSAGES]


@pytest.mark.parametrize("inline_us", [0.0, 1e9])
@pytest.mark.parametrize("engine", ["software", "simulated", "python"])
def test_sync_async_bridge(run: Run, engine: str, inline_us: float) -> None:
    """One caller blocks and another awaits, over an engine that computes on the spot and over those that come back."""
    keeper = Keeper()
    keeper.open()
    card = Simulated(latency_us=1.0, algorithms=["sha256"])
    engines: dict[str, Engine | str] = {"software": "software", "simulated": card, "python": keeper}

    async def main(layer: acrypto.Layer) -> None:
        assert await asyncio.gather(*(layer.digest("sha256", message) for message in MESSAGES)) == RIGHT
        assert [await layer.digest("sha256", message) for message in MESSAGES[:9]] == RIGHT[:9]

    with opened(engines[engine], inline_us=inline_us) as layer:
        assert [layer.digest("sha256", message).wait(PATIENCE) for message in MESSAGES] == RIGHT
        run(main(layer))
        [row] = layer.devices()
        assert bool(row.inline) == (engine == "software" and inline_us > 0)


def test_driver_api_with_capabilities() -> None:
    """A driver says what it can do, at what size, how deep its queue is; listings tell just that, later its rate."""
    limits = Limits(max_bytes=4096, queue=7, directions=("compress",), repeatable=False)
    engine = Keeper("card", ["deflate"], priority=321, limits=limits)
    with opened("software", engine, balancer="failover") as layer:
        row = layer.find("deflate-card")
        assert (row.algorithm, row.kind, row.device, row.priority) == ("deflate", "compression", "card0", 321)
        told = row.limits
        assert (told.max_bytes, told.queue, told.directions, told.repeatable) == (4096, 7, ("compress",), False)
        assert row.asynchronous
        assert "deflate-card card0 321" in layer.tree().read("algorithms/deflate/offers")
        transform = layer.transform("deflate")
        packed = transform.compress(bytes(4096))
        engine.wait_for(1)
        engine.finish()
        assert ran_on(packed) == "card0"
        assert ran_on(transform.compress(bytes(4097))) == "software0"
        assert ran_on(transform.decompress(packed.result())) == "software0"
        with pytest.raises(acrypto.NoEngine, match="at most 4096 bytes, not 4097"):
            transform.compress(bytes(4097), device="card0")
        with pytest.raises(acrypto.NoEngine, match="card0 has no decompress"):
            transform.decompress(packed.result(), device="card0")
        [(device_name, _, direction, from_bytes, _, _, samples)] = [r for r in layer.costs() if r[0] == "card0"]
        assert (device_name, direction, from_bytes, samples) == ("card0", "compress", 4096, 1)


def test_consumer_api(run: Run) -> None:
    """A consumer states preferences, changes keys, submits a batch, and hears of completions."""
    card = Keeper("card", ["gcm(aes)"], priority=500)
    card.open()
    told: asyncio.Queue[acrypto.Operation] = asyncio.Queue()

    async def main() -> None:
        async with acrypto.open([card, "software"], settings=acrypto.Settings(balancer="failover")) as layer:
            # An algorithm, a driver, or a device: however much the consumer wants to say.
            assert ran_on(layer.transform("gcm(aes)", key=bytes(16)).encrypt(bytes(12), b"x")) == "card0"
            rows = {(row.algorithm, row.device): row for row in layer.offers()}
            other = rows["gcm(aes)", "software0"].driver
            assert ran_on(layer.transform(other, key=bytes(16)).encrypt(bytes(12), b"x")) == "software0"
            # A new key is a new transform; what was submitted under the old one is not touched by it.
            old, new = (layer.transform("gcm(aes)", key=bytes([number]) * 32) for number in (1, 2))
            first = old.encrypt(bytes(12), b"message", priority=3)
            assert bytes(await new.decrypt(bytes(12), await new.encrypt(bytes(12), b"message"))) == b"message"
            with pytest.raises(acrypto.AuthenticationError):
                await new.decrypt(bytes(12), await first)
            nonces = [number.to_bytes(12) for number in range(50)]
            batch = old.encrypt_many(nonces, MESSAGES[:50], callback=told.put_nowait)
            sealed = await batch
            assert [bytes(each) for each in sealed] == [
                bytes(_core.encrypt("gcm(aes)", bytes([1]) * 32, nonce, message))
                for nonce, message in zip(nonces, MESSAGES[:50], strict=True)
            ]
            assert await told.get() is batch
            assert told.empty()
            assert batch.completion is not None
            assert (batch.completion.lane, batch.completion.bytes_in) == ("batch", sum(map(len, MESSAGES[:50])))

    run(main())


def test_user_api_as_file_system() -> None:
    """With nothing but reading and writing files: make a session, write data, read the result, see the statistics."""
    with acrypto.open() as layer:
        tree = layer.tree()
        before = int(tree.read("devices/software0/scompleted"))
        tree.make("sessions/mine")
        for name, content in {"operation": "decompress", "algorithm": "zlib", "src": zlib.compress(b"data")}.items():
            tree.write(f"sessions/mine/{name}", content)
        assert tree.read("sessions/mine/dst") == b"data"
        assert tree.read("sessions/mine/status") == "done"
        assert "device software0" in tree.read("sessions/mine/completion").split("\n")
        assert int(tree.read("devices/software0/scompleted")) == before + 1
        assert "mine/" in tree.list("sessions")
        tree.remove("sessions/mine")
        assert tree.list("sessions") == []
