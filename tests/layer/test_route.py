"""Routes: one request of many stages is the stages done by hand, wherever each runs and whatever befalls it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import random
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import example, given
from hypothesis import strategies as st
from tests.layer.conftest import Run, Script
from tests.layer.only import STRONGEST, Only, device, until

import acrypto
from acrypto.engines.simulated import Simulated
from acrypto.testing.gate import Gate

KEY = bytes(range(32))
#: The most that a flipped bit of compressed data may make of it.
MOST = 8 << 20


class Kind(NamedTuple):
    """A stage: how it is made, and how it is undone by somebody else's code.

    `undo` gives the message before the stage; for a digest, the value that it must have left.
    """

    name: str
    parameters: dict[str, object]
    nonce_len: int
    undo: Callable[[bytes, bytes, bytes], bytes]

    @property
    def is_digest(self) -> bool:
        return self.name in {"sha256", "crc32", "blake2b-256"}

    @property
    def takes_ad(self) -> bool:
        return self.nonce_len == 12


def checked(algorithm: str) -> Callable[[bytes, bytes, bytes], bytes]:
    def undo(message: bytes, nonce: bytes, ad: bytes) -> bytes:
        size = hashlib.new(algorithm).digest_size
        rest, tag = message[:-size], message[-size:]
        assert hmac.digest(KEY, rest, algorithm) == tag
        return rest

    return undo


def by_cipher(nonce: bytes) -> Any:
    return Cipher(algorithms.AES(KEY), modes.CTR(nonce)).decryptor()


KINDS = {
    kind.name: kind
    for kind in (
        Kind("zlib", {"level": 1}, 0, lambda m, n, a: zlib.decompress(m)),
        Kind("deflate", {"level": 1}, 0, lambda m, n, a: zlib.decompress(m, -15)),
        Kind("zstd", {"level": 3}, 0, lambda m, n, a: zstandard.ZstdDecompressor().decompressobj().decompress(m)),
        Kind("gcm(aes)", {"key": KEY}, 12, lambda m, n, a: AESGCM(KEY).decrypt(n, m, a)),
        Kind("rfc7539(chacha20,poly1305)", {"key": KEY}, 12, lambda m, n, a: ChaCha20Poly1305(KEY).decrypt(n, m, a)),
        Kind("ctr(aes)", {"key": KEY}, 16, lambda m, n, a: by_cipher(n).update(m)),
        Kind("hmac(sha256)", {"key": KEY}, 0, checked("sha256")),
        Kind("hmac(sha512)", {"key": KEY}, 0, checked("sha512")),
        Kind("sha256", {}, 0, lambda m, n, a: hashlib.sha256(m).digest()),
        Kind("crc32", {}, 0, lambda m, n, a: zlib.crc32(m).to_bytes(4, "big")),
    )
}
#: Ends with something that notices a changed bit.
SEALED = [["gcm(aes)"], ["zlib", "hmac(sha256)"], ["zstd", "gcm(aes)", "hmac(sha256)"], ["ctr(aes)", "gcm(aes)"]]


def nonces(kinds: list[Kind]) -> dict[int, bytes]:
    return {index: bytes([index + 1]) * kind.nonce_len for index, kind in enumerate(kinds) if kind.nonce_len}


def ads(kinds: list[Kind]) -> dict[int, bytes]:
    return {index: b"header %d" % index for index, kind in enumerate(kinds) if kind.takes_ad}


class Way(NamedTuple):
    """A route with what its stages need."""

    kinds: list[Kind]
    route: acrypto.Route
    extras: dict[str, Any]

    @classmethod
    def of(cls, layer: acrypto.Layer, names: list[str]) -> Way:
        kinds = [KINDS[name] for name in names]
        route = layer.route(*(layer.transform(kind.name, **kind.parameters) for kind in kinds))
        given = {"nonce": nonces(kinds), "ad": ads(kinds)}
        return cls(kinds, route, {name: value for name, value in given.items() if value})

    def run(self, data: object, **wishes: object) -> acrypto.Operation[Any]:
        return self.route.run(data, **self.extras, **wishes)

    def back(self, data: object, **wishes: object) -> acrypto.Operation[Any]:
        return self.route.reverse().run(data, **self.extras, **wishes)

    def undo_by_hand(self, message: bytes, digests: list[tuple[str, bytes]]) -> bytes:
        """Takes the stages off, the last one first; checks what digest stages left on the way."""
        left = list(digests)
        for index, kind in reversed(list(enumerate(self.kinds))):
            nonce, ad = self.extras.get("nonce", {}).get(index, b""), self.extras.get("ad", {}).get(index, b"")
            before = kind.undo(message, nonce, ad)
            if kind.is_digest:
                assert left.pop() == (kind.name, before)
            else:
                message = before
        assert left == []
        return message


def content(size: int, seed: int) -> bytes:
    """Half of it can be compressed."""
    half = size // 2
    return random.Random(seed).randbytes(size - half) + (b"as it was, " * (half // 11 + 1))[:half]


sizes = st.one_of(st.integers(0, 300), st.integers(0, 1 << 16), st.integers(1 << 19, 1 << 20))
messages = st.builds(content, sizes, st.integers(0, 9))
stages = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6)
forms: dict[str, Callable[[bytes], object]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": lambda data: memoryview(bytearray(data)),
    "segments": lambda data: [data[: len(data) // 3], bytearray(data[len(data) // 3 :]), b""],
}


@pytest.fixture(scope="module", params=["queued", "inline", "simulated"])
def home(request: pytest.FixtureRequest) -> Iterator[acrypto.Layer]:
    engine = Simulated(latency_us=1.0) if request.param == "simulated" else "software"
    inline_us = 0 if request.param == "queued" else 30.0
    with acrypto.open([engine], settings=acrypto.Settings(workers=2, inline_us=inline_us)) as layer:
        yield layer


@pytest.fixture(scope="module")
def soft() -> Iterator[acrypto.Layer]:
    with acrypto.open(["software"], settings=acrypto.Settings(workers=2, inline_us=0)) as layer:
        yield layer


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


# ---- Extras by name


def test_one_taker_needs_no_dict(soft: acrypto.Layer) -> None:
    way = Way.of(soft, ["zlib", "gcm(aes)", "hmac(sha256)"])
    [nonce], [ad] = way.extras["nonce"].values(), way.extras["ad"].values()
    packed = bytes(way.run(b"x").wait())
    for key in (1, "gcm(aes)"):
        assert bytes(way.route.run(b"x", nonce={key: nonce}, ad={key: ad}).wait()) == packed
    assert bytes(way.route.run(b"x", nonce=nonce, ad=ad).wait()) == packed
    assert bytes(way.route.run(b"x", nonce=bytearray(nonce), ad=[ad[:3], memoryview(ad)[3:]]).wait()) == packed
    assert bytes(way.route.reverse().run(packed, nonce=nonce, ad=ad).wait()) == b"x"


def test_several_takers_are_told_apart_by_number_or_name(soft: acrypto.Layer) -> None:
    """Numbers are those of the route as it was made, whichever way it runs."""
    way = Way.of(soft, ["gcm(aes)", "zlib", "rfc7539(chacha20,poly1305)"])
    packed = bytes(way.run(b"x").wait())
    by_name = {
        which: {way.kinds[index].name: value for index, value in values.items()} for which, values in way.extras.items()
    }
    assert bytes(way.route.run(b"x", **by_name).wait()) == packed
    assert bytes(way.route.reverse().run(packed, **by_name).wait()) == b"x"
    with pytest.raises(acrypto.UsageError, match=r"2 stages .* nonce"):
        way.route.run(b"x", nonce=bytes(12))
    with pytest.raises(acrypto.UsageError, match=r"2 stages .* ad"):
        way.route.run(b"x", nonce=way.extras["nonce"], ad=b"x")


@pytest.mark.parametrize("nonce", [None, {}, {0: bytes(12)}, {"zlib": bytes(12)}], ids=repr)
def test_a_missing_nonce_is_a_mistake_that_is_told(soft: acrypto.Layer, nonce: object) -> None:
    with pytest.raises(acrypto.UsageError, match=r"nonce.*gcm\(aes\)"):
        Way.of(soft, ["zlib", "gcm(aes)"]).route.run(b"x", nonce=nonce).wait()


@pytest.mark.parametrize(
    "extras",
    [
        {"nonce": {"gcm(aes)": bytes(12)}, "ad": {"gmc(aes)": b"header"}},
        {"nonce": {1: bytes(12)}, "ad": {7: b"header"}},
        {"nonce": {1: bytes(12), 0: bytes(12)}},
        {"nonce": {1: bytes(12)}, "ad": {0: b"header"}},
    ],
    ids=str,
)
def test_an_extra_that_no_stage_takes_is_a_mistake(soft: acrypto.Layer, extras: dict[str, object]) -> None:
    """Dropped, additional data would look authenticated and not be."""
    with pytest.raises(acrypto.UsageError):
        Way.of(soft, ["zlib", "gcm(aes)"]).route.run(b"x", **extras).wait()


@pytest.mark.parametrize("extras", [{"nonce": bytes(12)}, {"ad": b"header"}], ids=str)
def test_an_extra_for_a_route_without_takers_is_a_mistake(soft: acrypto.Layer, extras: dict[str, object]) -> None:
    with pytest.raises(acrypto.UsageError):
        Way.of(soft, ["zlib", "hmac(sha256)"]).route.run(b"x", **extras).wait()


def test_one_name_for_two_stages_is_a_mistake(soft: acrypto.Layer) -> None:
    """One nonce used twice under one key gives the plaintext away."""
    way = Way.of(soft, ["gcm(aes)", "gcm(aes)"])
    with pytest.raises(acrypto.UsageError):
        way.route.run(b"secret", nonce={"gcm(aes)": bytes(12)}).wait()


def test_who_takes_no_nonce_is_no_taker(soft: acrypto.Layer) -> None:
    route = soft.route(soft.transform("ecb(aes)", key=KEY), soft.transform("gcm(aes)", key=KEY))
    packed = route.run(bytes(32), nonce=bytes(12)).wait()
    assert bytes(route.reverse().run(packed, nonce=bytes(12)).wait()) == bytes(32)


def test_additional_data_is_borrowed_until_the_end(soft: acrypto.Layer) -> None:
    gate = Only("first", "zlib")
    with opened(gate) as layer:
        ad = bytearray(b"header")
        operation = layer.route(layer.transform("zlib"), layer.transform("gcm(aes)", key=KEY)).run(
            b"x", nonce=bytes(12), ad=ad
        )
        with pytest.raises(BufferError):
            ad.append(1)
        gate.open()
        operation.wait(60)
        until(lambda: not layer.lingering())
        ad.append(1)


# ---- What may be a route


def test_what_has_no_place_in_a_route_is_refused(soft: acrypto.Layer) -> None:
    key = soft.transform("x25519", key=private_key("x25519"))
    for transform in (soft.transform("ed25519", key=private_key("ed25519")), key):
        with pytest.raises(acrypto.UsageError, match=r"no place in a route"):
            soft.route(soft.transform("zlib"), transform)
    with pytest.raises(acrypto.UsageError, match="no transforms"):
        soft.route()
    with pytest.raises(TypeError):
        soft.route("zlib")  # type: ignore[arg-type]
    with acrypto.open(["software"]) as other, pytest.raises(acrypto.UsageError, match=r"sha256 .* another layer"):
        soft.route(soft.transform("zlib"), other.transform("sha256"))


def private_key(name: str) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

    made = {"ed25519": ed25519.Ed25519PrivateKey, "x25519": x25519.X25519PrivateKey}[name].generate()
    der, pkcs8, plain = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(der, pkcs8, plain)


def test_a_stage_that_refuses_its_message_ends_the_route(soft: acrypto.Layer) -> None:
    route = soft.route(soft.transform("sha256"), soft.transform("cbc(aes)", key=KEY))
    with pytest.raises(acrypto.UsageError, match="multiple of 16"):
        route.run(b"odd", nonce=bytes(16)).wait()
    assert soft.lingering() == 0


# ---- Told, stage by stage


@contextlib.contextmanager
def opened(*engines: object, **settings: object) -> Iterator[acrypto.Layer]:
    """A layer on these and the software engine, where the strongest serves; whose gates are opened before it closes."""
    with contextlib.ExitStack() as stack:
        settings = {"workers": 1, "inline_us": 0, **STRONGEST, **settings}
        layer = stack.enter_context(acrypto.open([*engines, "software"], settings=acrypto.Settings(**settings)))
        for engine in engines:
            if isinstance(engine, Gate):
                stack.callback(engine.open)
        yield layer


THREE = ["zstd", "gcm(aes)", "hmac(sha256)"]


def test_each_stage_runs_on_its_device_and_is_told() -> None:
    engines = [
        Simulated(name=name, algorithms=[kind], priority=200)
        for name, kind in zip(("press", "lock", "seal"), THREE, strict=True)
    ]
    with opened(*engines) as layer:
        way = Way.of(layer, [*THREE, "sha256"])
        operation = way.run(b"text" * 1000)
        packed = operation.wait(60)
        stages = operation.completion.stages
        assert [stage.algorithm for stage in stages] == [*THREE, "sha256"]
        assert [stage.device for stage in stages] == ["press0", "lock0", "seal0", "software0"]
        assert [stage.driver for stage in stages][:3] == ["zstd-press", "gcm(aes)-lock", "hmac(sha256)-seal"]
        assert all(stage.attempts == 1 and stage.reason and stage.run_ns > 0 for stage in stages)
        assert (operation.completion.device, operation.completion.attempts) == ("software0", 1)
        back = way.back(packed)
        assert bytes(back.wait(60)) == b"text" * 1000
        assert [stage.device for stage in back.completion.stages] == ["software0", "seal0", "lock0", "press0"]
        assert layer.lingering() == 0


def test_stages_and_digests_are_of_routes_only(soft: acrypto.Layer) -> None:
    operation = soft.digest("sha256", b"x")
    operation.wait()
    assert (operation.completion.stages, operation.completion.digests) == ([], [])


@pytest.mark.parametrize("ill", range(3))
def test_a_failed_stage_is_done_again_alone(ill: int) -> None:
    engines = [Simulated(name=name, priority=priority) for name, priority in (("good", 200), ("spare", 150))]
    bad = Simulated(name="bad", algorithms=[THREE[ill]], priority=300)
    with opened(bad, *engines, quarantine_errors=0) as layer:
        bad.tune("error_rate", 1.0)
        before = {device.name: device for device in layer.devices()}
        way = Way.of(layer, THREE)
        operation = way.run(b"text" * 1000)
        result = bytes(operation.wait(60))
        assert way.undo_by_hand(result, []) == b"text" * 1000
        told = [(stage.device, stage.attempts) for stage in operation.completion.stages]
        assert told == [("good0", 2 if index == ill else 1) for index in range(3)]
        assert operation.completion.stages[ill].reason == "done again: its device failed"
        assert device(layer, "good0").completed - before["good0"].completed == 3
        assert device(layer, "bad0").failed - before["bad0"].failed == 1
        assert device(layer, "bad0").redone == 1


@pytest.mark.parametrize("into", [False, True], ids=["pooled", "into"])
@pytest.mark.parametrize("how", ["dropped", "silent", "held"])
@pytest.mark.parametrize("ill", range(3))
def test_a_device_that_dies_with_a_stage_costs_only_that_stage(ill: int, how: str, into: bool) -> None:
    """But what may still be writing into the caller's own memory is not done twice."""
    mortal = Simulated(name="mortal", algorithms=[THREE[ill]], priority=300)
    with opened(mortal) as layer:
        mortal.tune("latency_us", 1e7)
        before = device(layer, "mortal0").started
        way = Way.of(layer, THREE)
        target = {"into": bytearray(9000)} if into else {}
        operation = way.run(b"text" * 1000, **target)
        until(lambda: device(layer, "mortal0").started > before)
        mortal.kill(how)
        layer.break_device("mortal0")
        try:
            result = operation.wait(60)
        except acrypto.DeviceLost:
            assert into
            assert how != "dropped"
            return
        packed = bytes(target["into"][:result]) if into else bytes(result)
        assert way.undo_by_hand(packed, []) == b"text" * 1000
        assert [stage.attempts for stage in operation.completion.stages] == [2 if at == ill else 1 for at in range(3)]


def test_a_stage_on_an_engine_that_is_silent_is_done_again() -> None:
    mortal = Simulated(name="mortal", algorithms=["gcm(aes)"], priority=300)
    with opened(mortal, lost_after=0.05) as layer:
        way = Way.of(layer, THREE)
        mortal.kill("silent")
        operation = way.run(b"text")
        assert way.undo_by_hand(bytes(operation.wait(60)), []) == b"text"
        assert [stage.device for stage in operation.completion.stages] == ["software0"] * 3
        assert operation.completion.stages[1].reason == "done again: no completion came in time"


def test_all_stages_of_a_bound_route_run_where_it_was_bound() -> None:
    with acrypto.open(
        [Simulated(name="a"), Simulated(name="b")], settings=acrypto.Settings(balancer="round_robin")
    ) as layer:
        way = Way.of(layer, THREE)
        for name in ("a0", "b0"):
            operation = way.run(b"text", device=name)
            operation.wait(60)
            assert [stage.device for stage in operation.completion.stages] == [name] * 3


def test_a_route_bound_to_a_device_that_lacks_a_stage_is_refused() -> None:
    with opened(Simulated(name="press", algorithms=["zstd"])) as layer:
        way = Way.of(layer, THREE)
        with pytest.raises(acrypto.NoEngine, match="press0"):
            way.run(b"text", device="press0").wait(60)
        with pytest.raises(acrypto.NoEngine, match="nosuch"):
            way.run(b"text", device="nosuch")


# ---- Ends in the middle


def gates(names: list[str]) -> list[Only]:
    return [Only(f"gate{index}.", name) for index, name in enumerate(names)]


@pytest.mark.parametrize("at", range(3))
def test_cancelled_at_any_stage_it_ends_and_lets_go(at: int) -> None:
    devices = gates(THREE)
    with opened(*devices) as layer:
        for gate in devices[:at]:
            gate.open()
        source = bytearray(b"text" * 1000)
        operation = Way.of(layer, THREE).run(source)
        assert devices[at].arrived.wait(60)
        assert operation.cancel()
        assert operation.cancelled()
        assert layer.lingering() == 1
        with pytest.raises(BufferError):
            source.append(1)
        for gate in devices:
            gate.open()
        until(lambda: not layer.lingering())
        source.append(1)
        assert [gate.order for gate in devices[at + 1 :]] == [[]] * (2 - at)


@pytest.mark.parametrize("at", range(3))
def test_a_deadline_in_the_middle_ends_it_in_time(at: int) -> None:
    devices = gates(THREE)
    with opened(*devices) as layer:
        for gate in devices[:at]:
            gate.open()
        operation = Way.of(layer, THREE).run(b"text", deadline=0.2)
        with pytest.raises(acrypto.DeadlineExceeded):
            operation.wait(60)
        devices[at].open()
        until(lambda: not layer.lingering())
        assert [gate.order for gate in devices[at + 1 :]] == [[]] * (2 - at)


def test_priorities_hold_at_every_stage() -> None:
    first, second = Only("first", "sha256"), Only("second", "crc32")
    with opened(first, second) as layer:
        blocked = [layer.digest("sha256", b"blocker"), layer.digest("crc32", b"blocker")]
        assert first.arrived.wait(60)
        assert second.arrived.wait(60)
        route = layer.route(layer.transform("sha256"), layer.transform("crc32"))
        wanted = [0, 5, -3, 5, 0, 9]
        operations = [route.run(b"%d %d" % (priority, at), priority=priority) for at, priority in enumerate(wanted)]
        first.open()
        until(lambda: len(first.order) == 1 + len(wanted) and device(layer, "second0").queued == len(wanted))
        second.open()
        for operation in [*blocked, *operations]:
            operation.wait(60)
    expected = [b"%d %d" % (priority, at) for at, priority in sorted(enumerate(wanted), key=lambda each: -each[1])]
    assert first.order == second.order == [b"blocker", *expected]


def test_try_run_finds_no_room() -> None:
    gate = Only("gate", "zstd")
    with opened(gate, queue_operations=1, balancer="simple") as layer:
        way = Way.of(layer, ["zstd"])
        first = way.run(b"text", device="gate0")
        assert gate.arrived.wait(60)
        source = bytearray(b"text")
        with pytest.raises(acrypto.QueueFull, match="gate0"):
            way.route.try_run(source, **way.extras, device="gate0")
        source.append(1)
        gate.open()
        first.wait(60)


@pytest.mark.parametrize("at", range(3))
def test_a_layer_that_closes_ends_its_routes(at: int) -> None:
    devices = gates(THREE)
    with opened(*devices) as layer:
        for gate in devices[:at]:
            gate.open()
        way = Way.of(layer, THREE)
        operations = [way.run(b"text") for _ in range(3)]
        assert devices[at].arrived.wait(60)
        closer = threading.Thread(target=layer.close)
        closer.start()
        until(lambda: not layer.is_open)
        for gate in devices:
            gate.open()
        closer.join()
        for operation in operations:
            with contextlib.suppress(acrypto.ClosedError):
                assert way.undo_by_hand(bytes(operation.wait(60)), []) == b"text"
        assert layer.lingering() == 0


def test_a_closed_layer_makes_no_routes() -> None:
    with opened() as layer:
        transform = layer.transform("hmac(sha256)", key=KEY)
        route = layer.route(transform)
    with pytest.raises(acrypto.ClosedError):
        route.run(b"text")
    with pytest.raises(acrypto.ClosedError):
        layer.route(transform)


# ---- More stages before the end


def text_of(way: Way) -> bytes:
    return b"text" * 500 + way.kinds[0].name.encode()


@pytest.mark.parametrize("mode", ["queued", "direct", "inline", "poll"])
@pytest.mark.parametrize("times", range(4))
def test_a_stage_added_before_the_end_is_as_if_it_had_been_there(home: acrypto.Layer, mode: str, times: int) -> None:
    names = ["zlib", "hmac(sha256)", "sha256", "ctr(aes)"]
    whole = Way.of(home, names[: times + 1])
    seen = []

    def then(hop: acrypto.Hop) -> None:
        seen.append((hop.nbytes, [stage.algorithm for stage in hop.stages]))
        if len(hop.stages) <= times:
            kind = KINDS[names[len(hop.stages)]]
            nonce = bytes([len(hop.stages) + 1]) * kind.nonce_len
            hop.append(home.transform(kind.name, **kind.parameters), nonce=nonce or None)

    operation = Way.of(home, names[:1]).run(text_of(whole), mode=mode, then=then)
    if mode == "poll":
        reaped = []
        until(lambda: reaped.extend(home.poll()) or reaped)
        assert reaped == [operation]
    result = bytes(operation.wait(60))
    assert whole.undo_by_hand(result, operation.completion.digests) == text_of(whole)
    assert [stages for _, stages in seen] == [names[: at + 1] for at in range(times + 1)]
    assert [stage.algorithm for stage in operation.completion.stages] == names[: times + 1]
    assert seen[-1][0] == len(result)


def test_several_may_be_added_at_once(soft: acrypto.Layer) -> None:
    whole = Way.of(soft, ["zlib", "hmac(sha256)", "sha256", "hmac(sha512)"])

    def then(hop: acrypto.Hop) -> None:
        for kind in whole.kinds[1:] if len(hop.stages) == 1 else ():
            hop.append(soft.transform(kind.name, **kind.parameters))

    operation = Way.of(soft, ["zlib"]).run(b"text", then=then)
    assert whole.undo_by_hand(bytes(operation.wait(60)), operation.completion.digests) == b"text"


def test_it_is_asked_in_the_loop(run: Run, home: acrypto.Layer) -> None:
    async def main() -> None:
        here = threading.get_ident()
        asked = []

        def then(hop: acrypto.Hop) -> None:
            asked.append(threading.get_ident())
            if len(hop.stages) < 3:
                hop.append(home.transform("hmac(sha256)", key=KEY))

        results = await asyncio.gather(*(Way.of(home, ["zlib"]).run(b"text", then=then) for _ in range(20)))
        assert set(asked) == {here}
        assert len(asked) == 60
        whole = Way.of(home, ["zlib", "hmac(sha256)", "hmac(sha256)"])
        assert {whole.undo_by_hand(bytes(result), []) for result in results} == {b"text"}

    run(main())


def test_an_inline_route_in_a_loop_asks_on_the_spot(script: Script) -> None:
    """It must not wait for the loop that it holds up."""
    program = """
import asyncio, acrypto

async def main():
    async with acrypto.open(["software"], settings=acrypto.Settings(inline_us=0)) as layer:
        mac = layer.transform("hmac(sha256)", key=b"k")
        add = lambda hop: hop.append(mac) if len(hop.stages) < 2 else None
        operation = layer.route(mac).run(b"text", then=add, mode="inline")
        print(operation.done(), len(operation.result()))

asyncio.run(main())
"""
    assert script(program) == "True 68\n"


@pytest.mark.parametrize("is_small", [False, True])
def test_added_stages_write_into_the_callers_memory(home: acrypto.Layer, is_small: bool) -> None:
    whole = Way.of(home, ["zlib", "hmac(sha256)"])
    expected = bytes(whole.run(b"text" * 500).wait(60))
    memory = bytearray(b"\xa5" * (len(expected) + 64))
    room = len(expected) - is_small

    def then(hop: acrypto.Hop) -> None:
        if len(hop.stages) < 2:
            hop.append(home.transform("hmac(sha256)", key=KEY))

    with memoryview(memory) as view, view[:room] as target:
        operation = Way.of(home, ["zlib"]).run(b"text" * 500, into=target, then=then)
        if is_small:
            with pytest.raises(acrypto.OutputTooSmall):
                operation.wait(60)
        else:
            assert operation.wait(60) == room
            assert memory[:room] == expected
        until(lambda: not home.lingering())
    assert memory[room:] == b"\xa5" * (len(memory) - room)


def test_after_a_reverse_route_stages_run_forward(soft: acrypto.Layer) -> None:
    way = Way.of(soft, ["zlib", "hmac(sha256)"])

    def then(hop: acrypto.Hop) -> None:
        if len(hop.stages) < 3:
            hop.append(soft.transform("gcm(aes)", key=KEY), nonce=bytes(12), ad=[b"he", b"ader"])

    sealed = way.back(way.run(b"text").wait(60), then=then).wait(60)
    assert AESGCM(KEY).decrypt(bytes(12), bytes(sealed), b"header") == b"text"


def test_an_exception_in_it_is_reported_and_the_route_ends(
    soft: acrypto.Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: told.append(unraisable.exc_value))

    def then(hop: acrypto.Hop) -> None:
        hop.append(soft.transform("hmac(sha256)", key=KEY))
        raise RuntimeError("of the caller's own")

    operation = Way.of(soft, ["zlib"]).run(b"text", then=then)
    assert zlib.decompress(bytes(operation.wait(60))) == b"text"
    assert [str(error) for error in told] == ["of the caller's own"]


def test_wrong_additions_are_told_on_the_spot(soft: acrypto.Layer) -> None:
    kept: list[acrypto.Hop] = []
    told: list[str] = []

    def then(hop: acrypto.Hop) -> None:
        kept.append(hop)
        with acrypto.open(["software"]) as other:
            for transform in (
                other.transform("sha256"),
                soft.transform("ed25519", key=private_key("ed25519")),
            ):
                try:
                    hop.append(transform)
                except acrypto.UsageError as error:
                    told.append(str(error))

    Way.of(soft, ["zlib"]).run(b"text", then=then).wait(60)
    assert len(told) == 2
    assert "another layer" in told[0]
    assert "no place in a route" in told[1]
    with pytest.raises(acrypto.UsageError, match="gone on"):
        kept[0].append(soft.transform("sha256"))


def test_an_added_stage_that_fails_ends_the_route(soft: acrypto.Layer) -> None:
    def then(hop: acrypto.Hop) -> None:
        hop.append(soft.transform("gcm(aes)", key=KEY))

    with pytest.raises(acrypto.UsageError, match="nonce"):
        Way.of(soft, ["zlib"]).run(b"text", then=then).wait(60)
    assert soft.lingering() == 0


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_ended_while_its_caller_is_asked_it_lets_go(how: str) -> None:
    """And a stage may still be added, in vain, or is refused: the layer is closed."""
    asked, answer = threading.Event(), threading.Event()
    told: list[Exception] = []

    def then(hop: acrypto.Hop) -> None:
        asked.set()
        answer.wait()
        try:
            hop.append(mac)
        except acrypto.AcryptoError as error:
            told.append(error)

    with opened() as layer:
        mac = layer.transform("hmac(sha256)", key=KEY)
        source = bytearray(b"text")
        operation = layer.route(mac).run(source, then=then)
        assert asked.wait(60)
        closer = threading.Thread(target=operation.cancel if how == "cancel" else layer.close)
        closer.start()
        until(operation.done if how == "cancel" else lambda: not layer.is_open)
        answer.set()
        closer.join()
        if how == "cancel":
            with pytest.raises(asyncio.CancelledError):
                operation.wait(60)
        else:  # all that was asked for is done, so it may also end well
            with contextlib.suppress(acrypto.ClosedError):
                assert bytes(operation.wait(60)).startswith(b"text")
        until(lambda: not layer.lingering())
        source.append(1)
        assert all(isinstance(error, acrypto.ClosedError) for error in told)


@pytest.mark.parametrize("how", ["cancel", "close", "deadline", "forget"])
def test_one_that_waits_for_a_caller_who_does_not_poll(how: str) -> None:
    with opened() as layer:
        mac = layer.transform("hmac(sha256)", key=KEY)
        source = bytearray(b"text")
        wishes = {"deadline": 0.1} if how == "deadline" else {}
        operation = layer.route(mac).run(source, then=lambda hop: None, mode="poll", **wishes)
        until(lambda: device(layer, "software0").completed)
        if how == "cancel":
            operation.cancel()
        elif how == "deadline":
            with pytest.raises(acrypto.DeadlineExceeded):
                operation.wait(60)
        elif how == "close":
            layer.close()
            with pytest.raises(acrypto.ClosedError):
                operation.wait(60)
        elif how == "forget":
            del operation
        until(lambda: (layer.poll(), layer.lingering())[1] == 0)
        source.append(1)
