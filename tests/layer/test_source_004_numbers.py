"""The old layer's announcements on what can be asked for, and what is counted: kinds, ciphers, statistics, pools."""

from __future__ import annotations

import threading
import time

import pytest
from tests.layer.laws import PATIENCE, Keeper, device, opened, outcome, until

import acrypto
from acrypto.engines.null import Null
from acrypto.engines.simulated import Simulated

N = 200

# ---- What is counted


@pytest.mark.parametrize("failing", [0, 37])
def test_statistics(failing: int) -> None:
    """After N sessions started = completed = finished = N on their device, whether they went well or not."""
    engine = Keeper()
    with opened(engine) as layer:
        tree = layer.tree()
        files = [f"devices/keeper0/{name}" for name in ("sstarted", "scompleted", "sfinished", "sessions")]
        operations = [layer.digest("sha256", b"%d" % number) for number in range(N)]
        engine.wait_for(N)
        assert [tree.read(file) for file in files] == [str(N), "0", "0", str(N)]
        engine.finish(failing, outcome=acrypto.EngineError("told to"))
        engine.finish()
        assert sum(outcome(operation) is acrypto.EngineError for operation in operations) == failing
        assert [tree.read(file) for file in files] == [str(N), str(N), str(N), "0"]
        row = device(layer, engine)
        assert (row.completed, row.failed, row.submitted) == (N - failing, failing, N)
        assert row.bytes_in == sum(len(b"%d" % number) for number in range(N))
        assert row.bytes_out == 32 * (N - failing)
        assert sum(count for _, count in row.run_ns) == sum(count for _, count in row.queue_ns) == N
        [algorithm] = [each for each in layer.statistics().algorithms if each["algorithm"].startswith("sha256")]
        assert (algorithm["device"], algorithm["completed"], algorithm["failed"]) == ("keeper0", N - failing, failing)


@pytest.mark.parametrize("inline_us", [0.0, 1e9])
@pytest.mark.parametrize("number", [1, 7])
def test_statistics_of_every_lane(inline_us: float, number: int) -> None:
    """They agree whichever way the work went: through the queue, as a batch, or on the caller's own thread."""
    with opened("software", inline_us=inline_us) as layer:
        transform = layer.transform("sha256")
        for _ in range(3):
            transform.digest_many([b"x"] * number).wait(PATIENCE)
            transform.digest(b"x").wait(PATIENCE)
        if not inline_us:
            assert until(lambda: device(layer, "software0").started == 3 * (number + 1))
        row = device(layer, "software0")
        assert {row.submitted, row.started, row.completed, row.finished} == {3 * (number + 1)}


def test_statistics_count_a_start_before_its_end() -> None:
    """Whoever hears of a completion finds it counted, and its start, too: no device has done more than it began."""
    seen, heard = [], threading.Event()
    with opened("software", workers=1) as layer:

        def look(_ended: object) -> None:
            row = device(layer, "software0")
            seen.append((row.submitted, row.started, row.completed))
            heard.set()

        layer.digest("sha256", b"x", mode="direct", callback=look)
        assert heard.wait(PATIENCE)
    assert seen == [(1, 1, 1)]


def test_statistics_have_64_bits() -> None:
    """A counter goes past 32 bits: bytes are counted by repetition of one buffer in one message of many segments."""
    mib = bytes(1 << 20)
    with opened(Null(inline=False)) as layer:
        for _ in range(5):
            layer.digest("sha256", [mib] * 1024).wait(PATIENCE)
        assert device(layer, "null0").bytes_in == 5 << 30


def test_session_timing() -> None:
    """The time that a provider had a session is told with it, and summed for device and capability."""
    engine = Keeper()
    with opened(engine) as layer:
        operations, known = [], []
        for number in range(3):
            before = time.monotonic_ns()
            operations.append(layer.digest("sha256", b"x" * number))
            engine.wait_for(1)
            taken = time.monotonic_ns()
            while time.monotonic_ns() - taken < 2_000_000:
                pass  # the provider's own time: two milliseconds, or more if somebody else has the CPU
            worked = time.monotonic_ns() - taken
            engine.finish()
            operations[-1].wait(PATIENCE)
            known.append((worked, time.monotonic_ns() - before))
        times = [operation.completion.run_ns for operation in operations if operation.completion]
        assert len(times) == 3
        assert all(least <= run_ns <= most for run_ns, (least, most) in zip(times, known, strict=True))
        [capability] = layer.statistics().algorithms
        assert (capability["busy_ns"], capability["completed"]) == (sum(times), 3)
        assert device(layer, engine).busy_ns == sum(times)
        assert layer.tree().read("algorithms/sha256/keeper0/busy_ns") == str(sum(times))


def test_session_pool() -> None:
    """Results live in a pool of bounded size: what it has not got is counted as a miss, and made nevertheless."""
    data = bytes(100_000)
    with opened("software", pool_bytes=1 << 20) as layer:
        tree = layer.tree()

        def misses() -> int:
            assert tree.read("devices/software0/kmem_failed") == "0"
            assert tree.read("devices/software0/pool_failed") == tree.read("pool/misses")
            return int(layer.statistics().pool["misses"])

        transform = layer.transform("ctr(aes)", key=bytes(16))
        proofs = misses()  # those of the self-tests
        held = [transform.encrypt(bytes(16), data).wait(PATIENCE) for _ in range(5)]
        assert misses() - proofs == 5  # nothing had been given back yet
        del held
        for _ in range(20):
            transform.encrypt(bytes(16), data).wait(PATIENCE)
        assert misses() - proofs == 5
        assert 0 < layer.statistics().pool["idle_bytes"] <= 1 << 20
    with opened("software", pool_bytes=0) as layer:
        transform = layer.transform("ctr(aes)", key=bytes(16))
        proofs = layer.statistics().pool["misses"]
        for number in range(1, 6):
            transform.encrypt(bytes(16), data).wait(PATIENCE)
            pool = layer.statistics().pool
            assert (pool["misses"] - proofs, pool["idle_bytes"]) == (number, 0)


# ---- What can be asked for


def accelerator() -> Simulated:
    offered = ["drbg", "hmac(sha256)", "ecb(aes)", "cbc(aes)"]
    return Simulated(latency_us=1.0, name="card", priority=500, algorithms=offered)


def test_op_kinds_rng() -> None:
    """Random bytes are an operation like others: they fill what was asked for, on the device that was asked."""
    with opened(accelerator(), "software") as layer:
        operation = layer.random(1000, device="card0")
        first = operation.wait(PATIENCE)
        assert operation.completion is not None
        assert (len(first), operation.completion.device) == (1000, "card0")
        assert first != layer.random(1000, device="card0").wait(PATIENCE)
        assert layer.random(0).wait(PATIENCE) == b""


def test_op_kinds_hmac() -> None:
    """RFC 4231, test case 2."""
    with opened(accelerator(), "software", balancer="failover") as layer:
        operation = layer.mac("hmac(sha256)", b"Jefe", b"what do ya want for nothing?")
        expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        assert operation.wait(PATIENCE).hex() == expected
        assert operation.completion is not None
        assert operation.completion.device == "card0"


def test_op_kinds_asymmetric_and_your_own() -> None:
    """Signatures and agreements are operations, too, and a device of anybody's may offer them."""
    key, other = acrypto.generate_key("ed25519"), acrypto.generate_key("x25519")
    engine = Keeper("card", ["ed25519", "drbg", "hmac(sha256)", "gcm(aes)", "deflate"], priority=500)
    engine.open()
    with opened(engine, "software", balancer="failover") as layer:
        tag = layer.transform("ed25519", key=key).sign(b"message").wait(PATIENCE)
        assert tag == acrypto.sign("ed25519", key, b"message")
        public = layer.transform("ed25519", key=acrypto.public_key("ed25519", key))
        public.verify(tag, b"message").wait(PATIENCE)
        with pytest.raises(acrypto.AuthenticationError):
            public.verify(tag, b"another message").wait(PATIENCE)
        assert len(layer.random(32, device="card0").wait(PATIENCE)) == 32
        assert device(layer, engine).submitted == 4
        mine, theirs = layer.transform("x25519", key=other), acrypto.generate_key("x25519")
        shared = mine.agree(acrypto.public_key("x25519", theirs)).wait(PATIENCE)
        assert shared == layer.transform("x25519", key=theirs).agree(mine.public_key()).wait(PATIENCE)


#: NIST SP 800-38A, F.1, F.2 and F.5: one key of each size, the first two blocks.
PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")
KEYS = {
    16: "2b7e151628aed2a6abf7158809cf4f3c",
    24: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    32: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
}
CIPHERTEXTS = {
    ("ecb(aes)", 16): "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
    ("ecb(aes)", 24): "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef",
    ("ecb(aes)", 32): "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870",
    ("cbc(aes)", 16): "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
    ("cbc(aes)", 24): "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a",
    ("cbc(aes)", 32): "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
}


@pytest.mark.parametrize(("name", "size"), CIPHERTEXTS)
def test_ciphers(name: str, size: int) -> None:
    """AES of the size of its key, which no parameter can contradict (the fault of 2006), on every device of a layer."""
    key, nonce = bytes.fromhex(KEYS[size]), b"" if name.startswith("ecb") else bytes(range(16))
    with opened(accelerator(), "software") as layer:
        transform = layer.transform(name, key=key)
        for where in ("card0", "software0"):
            made = transform.encrypt(nonce, PLAIN, device=where).wait(PATIENCE)
            assert made.hex() == CIPHERTEXTS[name, size]
            assert bytes(transform.decrypt(nonce, made, device=where).wait(PATIENCE)) == PLAIN
        for wrong in (15, 17, 23, 25, 31, 33):
            with pytest.raises(acrypto.UsageError, match=str(wrong)):
                layer.transform(name, key=bytes(wrong))


def test_ciphers_of_old() -> None:
    """3DES is here for who allows it. DES, CFB and OFB are not: nobody offers them, and that is what is said."""
    # NIST SP 800-67 example, appendix B.1: three keys, ECB.
    key = bytes.fromhex("0123456789abcdef23456789abcdef01456789abcdef0123")
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True)) as layer:
        made = layer.transform("ecb(des3_ede)", key=key).encrypt(b"", b"The qufck brown fox jump").wait(PATIENCE)
        assert made.hex() == "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900"
        for gone in ("ecb(des)", "cbc(des)", "cfb(aes)", "ofb(aes)"):
            with pytest.raises(acrypto.UnknownAlgorithm):
                layer.transform(gone, key=bytes(16))
    with acrypto.open() as layer, pytest.raises(acrypto.UsageError, match="allow_insecure"):
        layer.transform("ecb(des3_ede)", key=key)
