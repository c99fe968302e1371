"""What the tests of features and hazards share: devices in a test's hand, and layers that end whatever they hold."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import acrypto
from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.layer.views import Device
from acrypto.model.offers import Limits, Offer
from acrypto.testing.gate import by_one_shots

#: Seconds after which something that should have happened has not.
PATIENCE = 10.0


class Keeper(Engine):
    """Keeps what it takes until the test says what becomes of it. Does what the one-shots do.

    Args:
        name: the engine's, and in the names of its drivers; the device is called that and `0`.
        algorithms: what it offers.
        priority: of each offer.
        limits: of each offer.
        room: most jobs in its hands; it refuses more.
        blocks: whether `submit` returns only when nothing is in its hands: what comes meanwhile stays in the queue.
        lets_go: whether closing it drops what it still has.
    """

    selftest = False

    def __init__(
        self,
        name: str = "keeper",
        algorithms: Sequence[str] = ("sha256",),
        *,
        priority: int = 200,
        limits: Limits | None = None,
        room: int = 1 << 30,
        blocks: bool = False,
        lets_go: bool = True,
    ) -> None:
        self.name = name
        self.device = f"{name}0"
        self.held: list[_core.Job] = []
        #: Sources in the order in which they came, and how many were offered at each call.
        self.seen: list[bytes] = []
        self.offered: list[int] = []
        self.most_held = 0
        self._offers = [Offer(each, f"{each}-{name}", priority, limits=limits) for each in algorithms]
        self._room = room
        self._blocks = blocks
        self._lets_go = lets_go
        self._is_open = False
        self._turn = threading.Condition()

    def offers(self) -> Sequence[Offer]:
        return self._offers

    def submit(self, burst: Sequence[_core.Job]) -> int:
        with self._turn:
            taken = list(burst[: max(0, self._room - len(self.held))])
            self.offered.append(len(burst))
            self.seen += [source for job in taken for source, *_ in job.units]
            if self._is_open:
                for job in taken:
                    job.complete(done(job))
                return len(taken)
            self.held += taken
            self.most_held = max(self.most_held, len(self.held))
            self._turn.notify_all()
            if self._blocks:
                self._turn.wait_for(lambda: not self.held, PATIENCE)
        return len(taken)

    def wait_for(self, number: int) -> list[_core.Job]:
        """What is in its hands, once that is so many."""
        with self._turn:
            assert self._turn.wait_for(lambda: len(self.held) >= number, PATIENCE), f"{len(self.held)} of {number} came"
            return list(self.held)

    def take(self, number: int | None = None) -> list[_core.Job]:
        """Takes the oldest out of its hands; the test completes, or drops, them."""
        with self._turn:
            taken = self.held[:number]
            del self.held[:number]
            self._turn.notify_all()
        return taken

    def finish(self, number: int | None = None, outcome: bytes | Exception | None = None) -> list[bool]:
        """Ends the oldest, rightly or so; for each, whether it still wanted that."""
        return [
            job.complete(done(job) if outcome is None else [outcome for _ in job.units]) for job in self.take(number)
        ]

    def open(self) -> None:
        """Lets everything through from now on; what is in its hands is done first."""
        with self._turn:
            for job in self.held:
                job.complete(done(job))
            self.held.clear()
            self._is_open = True
            self._turn.notify_all()

    def close(self) -> None:
        if self._lets_go:
            self.take()


def done(job: _core.Job) -> list[bytes | Exception]:
    """The right results of a job."""
    return [by_one_shots(job, *unit) for unit in job.units]


@contextlib.contextmanager
def opened(*engines: Engine | str, **settings: object) -> Iterator[acrypto.Layer]:
    """A layer on these, that runs nothing inline; at the end everything that keepers have is let through."""
    settings.setdefault("inline_us", 0)
    layer = acrypto.open(list(engines), settings=acrypto.Settings(**settings))  # type: ignore[arg-type]
    try:
        yield layer
    finally:
        for engine in engines:
            if isinstance(engine, Keeper):
                engine.open()
        layer.close()


def device(layer: acrypto.Layer, name: str | Keeper) -> Device:
    """One device of a layer, at this moment."""
    wanted = name if isinstance(name, str) else name.device
    return next(row for row in layer.devices() if row.name == wanted)


def ran_on(operation: acrypto.Operation) -> str:
    """The device that an operation ended on; waits for it."""
    operation.wait(PATIENCE)
    assert operation.completion is not None
    return operation.completion.device


def outcome(operation: acrypto.Operation) -> object:
    """What an operation gave, or the class of what it raised."""
    try:
        return operation.wait(PATIENCE)
    except acrypto.AcryptoError as error:
        return type(error)


class Calls:
    """Counts callbacks, by operation, and notes on which thread each ran."""

    def __init__(self) -> None:
        self.threads: dict[int, list[threading.Thread]] = {}
        self._turn = threading.Condition()

    def of(self, number: int) -> Callable[[object], None]:
        """The callback of one operation."""
        self.threads[number] = []

        def call(_operation: object) -> None:
            with self._turn:
                self.threads[number].append(threading.current_thread())
                self._turn.notify_all()

        return call

    def wait(self) -> None:
        """Returns once each was called; that none was called twice is seen after the layer's end."""
        with self._turn:
            assert self._turn.wait_for(lambda: all(self.threads.values()), PATIENCE)

    def counts(self) -> set[int]:
        """How often they were called: exactly once is `{1}`."""
        return {len(threads) for threads in self.threads.values()}


def until(condition: Callable[[], object]) -> bool:
    """Goes on once it holds; for what happens on another thread and has no event. False if it never does."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
    return True
