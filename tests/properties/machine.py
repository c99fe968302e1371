"""What the state machine of devices is made of: messages and their right answers, devices of every manner, requests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import threading
import weakref
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import acrypto
from acrypto.balancers.base import Balancer
from acrypto.engines.base import Engine
from acrypto.model.offers import Offer

KEY, NONCE = bytes(range(32)), bytes(range(12))
#: The largest is more than a queue's whole budget.
SIZES = (0, 1, 300, 4096, 20_000, 100_000)
MAX_OPERATIONS, MAX_BYTES = 6, 1 << 16
#: What the devices beside the software offer.
ALGORITHMS = ("sha256", "sha512", "hmac(sha256)", "zlib", "gcm(aes)")
#: Seconds after which waiting for what must come is a failure.
LONG = 20.0

_dice = random.Random(1)
MESSAGES = [(_dice.randbytes(size // 2) + bytes(size))[:size] for size in SIZES]
PACKED = [zlib.compress(message) for message in MESSAGES]
SEALED = [AESGCM(KEY).encrypt(NONCE, message, b"ad") for message in MESSAGES]
SHA256 = [hashlib.sha256(message).digest() for message in MESSAGES]
SHA512 = [hashlib.sha512(message).digest() for message in MESSAGES]
TAGS = [hmac.digest(KEY, message, "sha256") for message in MESSAGES]

#: How simulated devices differ, and what is turned only after they have proven themselves. Those that corrupt offer
#: nothing but what is always asked for with a check.
CHARACTERS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "interrupt": ({"priority": 150}, {}),
    "polling": ({"mode": "polling", "latency_us": 5.0}, {}),
    "narrow": ({"depth": 2, "accept": 1, "priority": 200}, {}),
    "disorderly": ({"window": 8, "jitter": 0.9}, {}),
    "erring": ({"priority": 150}, {"error_rate": 0.4}),
    "lossy": ({"priority": 150}, {"loss_rate": 0.2}),
    "late": ({"depth": 4}, {"latency_us": 80_000.0}),
    "lying": ({"algorithms": ["sha512"], "priority": 300}, {"corrupt_rate": 0.5}),
}


class Borrowed(bytearray):
    """A source that can be referred to weakly."""


class Strange(Balancer):
    """Answers anything: indices, names, names of nobody; and raises. Its dice are the request's."""

    name = "strange"

    def find_device(self, request: Any, devices: Sequence[Any]) -> Any:
        match (request.nbytes + devices[-1].operations) % 5:
            case 0:
                return "nobody"
            case 1:
                raise ValueError("a policy with a mistake in it")
            case 2:
                return devices[-1].name
        return request.nbytes % len(devices)


def answer(job: Any, source: bytes, nonce: bytes, ad: bytes) -> bytes:
    """What a Python engine does."""
    match job.operation, job.algorithm:
        case "digest", name:
            return hashlib.new(name, source).digest()
        case "mac", _:
            return hmac.digest(job.params["key"], source, "sha256")
        case "compress", _:
            return zlib.compress(source)
        case "decompress", _:
            try:
                return zlib.decompress(source)
            except zlib.error:
                raise acrypto.CorruptInput("damaged input", 0) from None
    raise acrypto.EngineError(f"no {job.operation} of {job.algorithm}")


class Written(Engine):
    """An engine written in Python, of some manner: `good`, `keeping`, `halving`, `raising`, `failing`, `dropping`.

    It is good until it is told to be otherwise, so that it passes its self-test.
    """

    manners = ("good", "keeping", "halving", "raising", "failing", "dropping")

    def __init__(self, name: str) -> None:
        self.name = name
        self.manner = "good"
        self.kept: list[Any] = []
        self.turn = 0

    def offers(self) -> Sequence[Offer]:
        return [Offer(name, f"{name}-{self.name}", 150) for name in ("sha256", "hmac(sha256)")]

    def submit(self, burst: Sequence[Any]) -> int:
        self.turn += 1
        is_odd = self.turn % 2 == 1
        match self.manner:
            case "keeping":
                self.kept.extend(burst)
                return len(burst)
            case "halving":
                burst = burst[: len(burst) // 2 + (1 if is_odd else 0)]
            case "raising" if is_odd:
                raise ValueError("a mistake in an engine")
            case "dropping" if is_odd:
                return len(burst)
        for job in burst:
            results: list[Any] = []
            for index, (source, nonce, ad, _) in enumerate(job.units):
                fails = self.manner == "failing" and (index + self.turn) % 2 == 0
                results.append(acrypto.EngineError("failing") if fails else answer(job, source, nonce, ad))
            job.complete(results)
        return len(burst)

    def let_go(self) -> None:
        """Completes, last first, what it has kept."""
        while self.kept:
            job = self.kept.pop()
            job.complete([answer(job, source, nonce, ad) for source, nonce, ad, _ in job.units])

    def close(self) -> None:
        self.kept.clear()


class Calls:
    """Counts callbacks by request, whichever thread they come on."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._counts: dict[int, int] = {}

    def of(self, number: int) -> Callable[[object], None]:
        """What the request of that number is to call."""

        def call(_operation: object) -> None:
            with self._turn:
                self._counts[number] = self._counts.get(number, 0) + 1
                self._turn.notify_all()

        return call

    def count(self, number: int) -> int:
        with self._turn:
            return self._counts.get(number, 0)

    def wait_for(self, numbers: set[int]) -> set[int]:
        """Those that were never called, after a long while."""
        with self._turn:
            self._turn.wait_for(lambda: numbers <= self._counts.keys(), LONG)
            return numbers - self._counts.keys()


class Asked:
    """One request: what was asked, with which wishes, and what may come of it."""

    def __init__(self, number: int, work: str, size: int, wishes: dict[str, Any]) -> None:
        self.number = number
        self.work = work
        self.size = size
        self.wishes = wishes
        self.operation: Any = None
        self.into: bytearray | None = None
        self.sources: list[weakref.ref[Borrowed]] = []
        self.was_cancelled = False
        self.was_pending_at_close = False
        self.num_reaped = 0

    def source(self, content: bytes) -> Borrowed:
        """A fresh copy that dies with its last reader."""
        fresh = Borrowed(content)
        self.sources.append(weakref.ref(fresh))
        return fresh

    @property
    def is_bound(self) -> bool:
        return "device" in self.wishes

    def judge(self, *, always_served: bool) -> str:
        """What is wrong with its end; empty if nothing is."""
        try:
            result = self.operation.result()
        except asyncio.CancelledError:
            return "" if self.was_cancelled else "cancelled by nobody"
        except acrypto.AcryptoError as error:
            if self.was_cancelled:
                return f"cancelled, and yet {error!r}"
            return "" if isinstance(error, self.allowed(always_served=always_served)) else f"it failed: {error!r}"
        if self.was_cancelled:
            return "cancelled, and yet a result"
        return "" if self.is_right(result) else "a wrong result"

    def allowed(self, *, always_served: bool) -> tuple[type[Exception], ...]:
        """Errors that the law allows here."""
        errors: list[type[Exception]] = []
        if self.is_bound or not always_served:
            errors += [acrypto.DeviceLost, acrypto.EngineError, acrypto.InternalError]
        if not always_served:
            errors.append(acrypto.NoEngine)  # for the next stage of a route
        if self.into is not None:
            errors.append(acrypto.DeviceLost)  # an engine that kept it could write there still
        if self.wishes.get("deadline") is not None:
            errors.append(acrypto.DeadlineExceeded)
        if self.was_pending_at_close:  # what fails then is not done again any more
            errors += [acrypto.ClosedError, acrypto.DeviceLost, acrypto.EngineError, acrypto.InternalError]
        return tuple(errors)

    def is_right(self, result: Any) -> bool:
        size = self.size
        if self.into is not None:
            result = bytes(self.into[:result])
        match self.work:
            case "digest":
                return bytes(result) == SHA256[size]
            case "checked":
                return bytes(result) == SHA512[size]
            case "many":
                return [bytes(one) for one in result] == SHA256[: size + 1]
            case "mac":
                return bytes(result) == TAGS[size]
            case "encrypt":
                return bytes(result) == SEALED[size]
            case "decompress":
                return bytes(result) == MESSAGES[size]
            case "compress":
                return zlib.decompress(bytes(result)) == MESSAGES[size]
        sealed, tag = bytes(result)[:-32], bytes(result)[-32:]
        if tag != hmac.digest(KEY, sealed, "sha256"):
            return False
        return zlib.decompress(AESGCM(KEY).decrypt(NONCE, sealed, b"ad")) == MESSAGES[size]


WORKS = ("digest", "checked", "many", "mac", "encrypt", "decompress", "compress", "route")


class Works:
    """The transforms of one layer, and how each sort of work is submitted."""

    def __init__(self, layer: acrypto.Layer) -> None:
        self.sha256 = layer.transform("sha256")
        self.sha512 = layer.transform("sha512", verify=True)
        self.hmac = layer.transform("hmac(sha256)", key=KEY)
        self.gcm = layer.transform("gcm(aes)", key=KEY)
        self.zlib = layer.transform("zlib")
        self.route = layer.route(self.zlib, self.gcm, self.hmac)

    def submit(self, asked: Asked, *, tries: bool) -> None:
        """Submits it, waiting for room or not."""
        size, wishes = asked.size, asked.wishes
        if asked.into is not None:
            wishes = {**wishes, "into": asked.into}
        message = MESSAGES[size]
        source = asked.source

        def method(owner: Any, name: str) -> Any:
            return getattr(owner, f"try_{name}" if tries else name)

        match asked.work:
            case "digest":
                asked.operation = method(self.sha256, "digest")(source(message), **wishes)
            case "checked":
                asked.operation = method(self.sha512, "digest")(source(message), **wishes)
            case "many":
                several = [source(MESSAGES[index]) for index in range(size + 1)]
                asked.operation = method(self.sha256, "digest_many")(several, **wishes)
            case "mac":
                asked.operation = method(self.hmac, "mac")(source(message), **wishes)
            case "encrypt":
                asked.operation = method(self.gcm, "encrypt")(NONCE, source(message), source(b"ad"), **wishes)
            case "decompress":
                asked.operation = method(self.zlib, "decompress")(source(PACKED[size]), **wishes)
            case "compress":
                asked.operation = method(self.zlib, "compress")(source(message), **wishes)
            case "route":
                asked.operation = method(self.route, "run")(source(message), nonce=NONCE, ad=source(b"ad"), **wishes)
