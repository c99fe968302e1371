"""The kernel that calls are made to: a layer, a profile, what was registered, and the queues of drivers.

Functions of the face take no such argument, as in the kernel: they use the current one. That is the innermost
`boot()` of the process, or else a default one over a layer of its own, opened with the first call and closed at exit.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import OrderedDict

from acrypto.kernel.dispatch import DriverQueue
from acrypto.kernel.scratch import DST_SCRATCH_SIZE, SCOMP_SCRATCH_SIZE, SRC_SCRATCH_SIZE, Scratches
from acrypto.layer.layer import Layer
from acrypto.model.errors import UsageError
from acrypto.model.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from acrypto.kernel.algs import CompAlg, CryptoAlg
    from acrypto.registry.listing import OfferRow

#: The kernel as the iaa_crypto series (v9) met it, and as it is since 2025.
V9_2023, V_2025 = "v9-2023", "2025"
PROFILES = (V9_2023, V_2025)
#: Exported hash states that are kept, and the bytes in them; older ones cannot be imported any more.
MAX_EXPORTS = 1024
MAX_EXPORT_BYTES = 256 << 20


class Kernel:
    """One kernel; made by `boot`.

    Attributes:
        layer: what does the work.
        profile: `v9-2023` or `2025`.
        sleep_check: whether scomp implementations are watched for sleeping.
        scratches: the workers' buffers.
        algs: scomp and acomp implementations that are registered, by driver.
        comps: legacy ones, by driver.
        devices: which device of its layer each of those is.
    """

    def __init__(self, layer: Layer, *, profile: str = V_2025, sleep_check: bool = True) -> None:
        if profile not in PROFILES:
            raise UsageError(f"profile is {profile!r}; it must be one of {', '.join(PROFILES)}")
        self.layer = layer
        self.profile = profile
        self.sleep_check = sleep_check
        classic = profile == V9_2023
        self.scratches = Scratches(
            SCOMP_SCRATCH_SIZE if classic else SRC_SCRATCH_SIZE, SCOMP_SCRATCH_SIZE if classic else DST_SCRATCH_SIZE
        )
        self.algs: dict[str, CryptoAlg] = {}
        self.comps: dict[str, CompAlg] = {}
        self.devices: dict[str, str] = {}
        self.lock = threading.RLock()
        self._legacy: Layer | None = None
        self._streams: dict[tuple[str, int], object] = {}
        self._queues: dict[str, DriverQueue] = {}
        self._exports: OrderedDict[bytes, tuple[str, tuple[bytes, ...]]] = OrderedDict()
        self._export_bytes = 0
        self._on_close: list[Callable[[], object]] = []

    @property
    def classic(self) -> bool:
        """Whether the profile is the older one."""
        return self.profile == V9_2023

    @property
    def legacy(self) -> Layer:
        """The layer that proves and lists legacy compressors, with the software engine to compare them with."""
        with self.lock:
            if self._legacy is None:
                self._legacy = Layer(["software"], settings=Settings(workers=1))
            return self._legacy

    def legacy_rows(self) -> list[OfferRow]:
        """Legacy compressors as offers: with what their self-test found."""
        return [row for row in self.legacy.offers() if row.driver in self.comps] if self.comps else []

    def queue(self, driver: str) -> DriverQueue:
        """The queue of an asynchronous driver."""
        with self.lock:
            if driver not in self._queues:
                self._queues[driver] = DriverQueue(driver)
            return self._queues[driver]

    def stream(self, driver: str, worker: int, make: Callable[[], object]) -> object:
        """A worker's context of an implementation, made when first asked for. The caller holds the worker's lock."""
        place = (driver, worker)
        with self.lock:
            found = self._streams.get(place)
        if found is None:
            found = make()
            with self.lock:
                self._streams[place] = found
        return found

    def drop_stream(self, driver: str, worker: int) -> None:
        """Forgets a worker's context, so that it is made anew."""
        with self.lock:
            self._streams.pop((driver, worker), None)

    def drop_streams(self, driver: str) -> list[object]:
        """Takes away the contexts of an implementation; gives them, to be freed."""
        with self.lock:
            return [self._streams.pop(place) for place in list(self._streams) if place[0] == driver]

    def export(self, algorithm: str, pieces: tuple[bytes, ...]) -> bytes:
        """Keeps the state of a hash; gives a handle to it."""
        handle = os.urandom(16)
        with self.lock:
            self._exports[handle] = (algorithm, pieces)
            self._export_bytes += sum(map(len, pieces))
            while len(self._exports) > 1 and (
                len(self._exports) > MAX_EXPORTS or self._export_bytes > MAX_EXPORT_BYTES
            ):
                _, (_, oldest) = self._exports.popitem(last=False)
                self._export_bytes -= sum(map(len, oldest))
        return handle

    def exported(self, algorithm: str, handle: bytes) -> tuple[bytes, ...] | None:
        """The state behind a handle of this algorithm."""
        with self.lock:
            owner, pieces = self._exports.get(handle, ("", ()))
            return pieces if owner == algorithm else None

    def at_close(self, call: Callable[[], object]) -> None:
        """Has something called when the kernel ends."""
        self._on_close.append(call)

    def close(self) -> None:
        """Ends requests that wait with `-ESHUTDOWN`, waits for those that run, unregisters what was registered."""
        with self.lock:
            queues, self._queues = list(self._queues.values()), {}
            calls, self._on_close = self._on_close, []
        for queue in queues:
            queue.close()
        for call in reversed(calls):
            call()
        with self.lock:
            legacy, self._legacy = self._legacy, None
        if legacy is not None:
            legacy.close()

    def __repr__(self) -> str:
        return f"<Kernel {self.profile} over {self.layer!r}>"


_lock = threading.RLock()
_booted: list[Kernel] = []
_default: Kernel | None = None


def current() -> Kernel:
    """The kernel that calls are made to now."""
    global _default  # noqa: PLW0603 - the process has one, as a machine has
    with _lock:
        if _booted:
            return _booted[-1]
        # Somebody may have closed its layer.
        if _default is None or not _default.layer.is_open:
            _default = Kernel(Layer())
        return _default


@contextlib.contextmanager
def boot(layer: Layer | None = None, *, profile: str = V_2025, sleep_check: bool = True) -> Iterator[Kernel]:
    """Makes another kernel the current one, for the whole process, until the end of the block.

    Args:
        layer: what does the work, which stays yours; by default one of its own, closed with the block.
        profile: `2025` or `v9-2023`.
        sleep_check: whether scomp implementations are watched for sleeping, which slows them down.

    Raises:
        UsageError: no such profile.
    """
    with contextlib.ExitStack() as stack:
        below = stack.enter_context(Layer()) if layer is None else layer
        kernel = Kernel(below, profile=profile, sleep_check=sleep_check)
        stack.callback(kernel.close)
        with _lock:
            _booted.append(kernel)
        try:
            yield kernel
        finally:
            with _lock:
                _booted.remove(kernel)


def _forget() -> None:
    # In a forked child: the parent's threads are not here, and whoever held a lock never gives it back.
    global _default, _lock  # noqa: PLW0603 - see above
    _lock = threading.RLock()
    _default = None
    _booted.clear()


def _close_default() -> None:
    global _default
    with _lock:
        kernel, _default = _default, None
    if kernel is not None and kernel.layer.is_open:
        kernel.close()
        kernel.layer.close()


os.register_at_fork(after_in_child=_forget)
# Registered after the layer's own hook, so called before it.
atexit.register(_close_default)
