"""A saturating load of mixed requests and routes over several devices, one of which dies every moment.

Some are simulated and die as a whole. Others are soft analytics devices, two under a driver that polls and one under a
driver whose callers wait: of those single devices die, or lose their queue, and the driver lives on with what is left.

Shared by the test, which runs it for some seconds, and the bench, which runs it for a minute and tells the slow-down.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.faults.victims import Analytics, Mortal, SoftVictim, Victim

import acrypto

KEY, NONCE = bytes(range(32)), bytes(range(12))
ALGORITHMS = ("sha256", "hmac(sha256)", "gcm(aes)", "zstd")
#: Devices that die, beside the software, which does not.
MORTALS = ("north", "east", "south")
#: Soft devices under each driver, by how that learns of completions.
ANALYTICS = {"async": ("iax1", "iax3"), "sync": ("iax5",)}
NUM_MORTAL = len(MORTALS) + sum(map(len, ANALYTICS.values()))
THREADS, COROUTINES = 8, 1000
#: Requests that one thread has under way.
WINDOW = 8
#: Seconds after which a silent device's requests are done elsewhere.
LOST_AFTER = 0.2
#: Seconds after which waiting for what must come is a failure.
LONG = 60.0


class Work:
    """One sort of request: how it is submitted, and its only right answer, or what that is once it was read."""

    def __init__(self, submit: Callable[..., Any], right: object, read: Callable[[Any], object] | None = None) -> None:
        self.submit = submit
        self.right = right
        self.read = read or _plain


class Tally:
    """What became of everything, counted by any thread.

    Attributes:
        submitted, done: requests taken by the layer, and those that gave the right answer.
        called: callbacks that came.
        failures: errors of requests, by class; all may be repeated, so none should fail.
        wrong: results that were not right.
        deaths: how often each death befell a device.
        again: requests, or stages of routes, that were begun more than once.
        seconds: how long the load ran.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self.submitted = self.done = self.wrong = self.called = self.again = 0
        self.failures: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.seconds = 0.0

    def call(self, _operation: object) -> None:
        """The callback of every request."""
        with self._turn:
            self.called += 1
            self._turn.notify_all()

    def end(self, work: Work, result: object, operation: Any) -> None:
        """One request has ended."""
        told = operation.completion
        attempts = max([stage.attempts for stage in told.stages] + [told.attempts]) if told is not None else 0
        is_error = isinstance(result, BaseException)
        is_right = not is_error and work.read(result) == work.right
        with self._turn:
            self.submitted += 1
            self.done += is_right
            self.again += attempts > 1
            if is_error:
                self.failures[repr(result)] += 1
            elif not is_right:
                self.wrong += 1

    def wait_for_calls(self) -> bool:
        """Whether every request called back once."""
        with self._turn:
            self._turn.wait_for(lambda: self.called >= self.submitted, LONG)
            return self.called == self.submitted

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        kept = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        return {**kept, "failures": dict(self.failures), "deaths": dict(self.deaths), "per second": self.rate()}

    def rate(self) -> float:
        """Requests per second."""
        return self.done / self.seconds


def _inflated(result: Any) -> object:
    """What was compressed: whose codes it is in depends on who did it."""
    try:
        return zlib.decompress(bytes(result), wbits=-15)
    except zlib.error:
        return None


def _plain(result: Any) -> object:
    return [bytes(one) for one in result] if isinstance(result, list) else bytes(result)


class Storm:
    """The layer, its load and its deaths.

    Args:
        every: seconds from one death to the next; 0 for none.
        seconds: how long the load runs.
    """

    def __init__(self, *, seconds: float, every: float) -> None:
        self.seconds = seconds
        self.every = every
        self.tally = Tally()
        #: Borrowed by every request: they cannot grow while anybody holds one.
        self.sources = [bytearray(hashlib.shake_128(b"%d" % size).digest(size // 2) * 2) for size in (512, 4096, 65536)]
        self._stop = threading.Event()
        self._troubles: list[str] = []

    def run(self) -> Tally:
        """Runs it all and closes the layer.

        Raises:
            AssertionError: something hangs, was told twice, or still holds a reference.
        """
        values = acrypto.Settings(
            inline_us=0,
            lost_after=LOST_AFTER,
            attempts=16,
            balancer="round_robin",
            probation=3600,
            health_s=0,
            trickle=1,
            quarantine_factor=0,
            remember_costs=False,
        )
        engines = {
            f"{name}0": Mortal(name=name, algorithms=ALGORITHMS, latency_us=50.0, priority=100) for name in MORTALS
        }
        drivers = {
            f"iaa{number}": Analytics(devices, sync_mode=mode, verify_compress=number == 0)
            for number, (mode, devices) in enumerate(ANALYTICS.items())
        }
        layer = acrypto.open(["software", *engines.values(), *drivers.values()], settings=values)
        victims: list[Victim | SoftVictim] = [Victim(name, engine) for name, engine in engines.items()]
        for (name, driver), devices in zip(drivers.items(), ANALYTICS.values(), strict=True):
            victims += [SoftVictim(name, driver, device) for device in devices]
        try:
            works = self._works(layer)
            threads = [threading.Thread(target=self._thread, args=(works, number)) for number in range(THREADS)]
            threads.append(threading.Thread(target=lambda: asyncio.run(self._loop(works))))
            if self.every:
                threads.append(threading.Thread(target=self._kill, args=(layer, victims)))
            started = time.perf_counter()
            for thread in threads:
                thread.daemon = True
                thread.start()
            self._stop.wait(self.seconds)
            self._stop.set()
            for thread in threads:
                thread.join(LONG)
                assert not thread.is_alive(), "a request never ends"
            self.tally.seconds = time.perf_counter() - started
        finally:
            self._stop.set()
            layer.close()
        assert not self._troubles, self._troubles
        assert self.tally.wait_for_calls(), "a request called back twice, or never"
        assert layer.lingering() == 0
        for source in self.sources:
            source.append(0)  # which somebody who still borrowed it would forbid
        return self.tally

    def _works(self, layer: acrypto.Layer) -> list[Work]:
        small, middle, large = self.sources
        sha256, zstd = layer.transform("sha256"), layer.transform("zstd")
        gcm, mac = layer.transform("gcm(aes)", key=KEY), layer.transform("hmac(sha256)", key=KEY)
        route = layer.route(zstd, gcm, mac)
        packed = bytes(zstd.compress(large, device="software0").wait(LONG))
        assert zstandard.decompress(packed) == large
        sealed = AESGCM(KEY).encrypt(NONCE, packed, None)
        tags = [hmac.digest(KEY, source, "sha256") for source in self.sources]
        digests = [hashlib.sha256(source).digest() for source in self.sources]
        deflate, small_packed = layer.transform("deflate"), zlib.compress(middle, 1, wbits=-12)
        return [
            Work(lambda **wishes: deflate.compress(middle, **wishes), bytes(middle), _inflated),
            Work(lambda **wishes: deflate.decompress(small_packed, **wishes), bytes(middle)),
            Work(lambda **wishes: sha256.digest(middle, **wishes), digests[1]),
            Work(lambda **wishes: route.run(large, nonce=NONCE, **wishes), sealed + hmac.digest(KEY, sealed, "sha256")),
            Work(lambda **wishes: gcm.encrypt(NONCE, middle, **wishes), AESGCM(KEY).encrypt(NONCE, middle, None)),
            Work(lambda **wishes: mac.mac(small, **wishes), tags[0]),
            Work(lambda **wishes: sha256.digest_many(self.sources, **wishes), digests),
            Work(lambda **wishes: zstd.decompress(packed, **wishes), bytes(large)),
        ]

    def _thread(self, works: list[Work], number: int) -> None:
        turns = itertools.cycle(works[number % len(works) :] + works[: number % len(works)])
        while not self._stop.is_set():
            chosen = [next(turns) for _ in range(WINDOW)]
            under_way = [(work, work.submit(callback=self.tally.call)) for work in chosen]
            for work, operation in under_way:
                try:
                    result = operation.wait(LONG)
                except (acrypto.AcryptoError, TimeoutError) as error:
                    result = error
                self.tally.end(work, result, operation)

    async def _loop(self, works: list[Work]) -> None:
        async def go(number: int) -> None:
            for turn in itertools.count(number):
                if self._stop.is_set():
                    return
                work = works[turn % len(works)]
                operation = work.submit(callback=self.tally.call)
                try:
                    result = await operation
                except acrypto.AcryptoError as error:
                    result = error
                self.tally.end(work, result, operation)

        await asyncio.gather(*(go(number) for number in range(COROUTINES)))

    def _kill(self, layer: acrypto.Layer, victims: list[Victim | SoftVictim]) -> None:
        last: Victim | SoftVictim | None = None
        for turn in itertools.count():
            if self._stop.wait(self.every):
                return
            if last is not None and (failed := last.revive(layer)):
                self._troubles.append(f"{last.name} does not come back: {failed}")
            place = turn % len(victims)
            last = victims[place]
            how = last.deaths[(place + turn // len(victims)) % len(last.deaths)]
            last.die(how)
            self.tally.deaths[how] += 1
