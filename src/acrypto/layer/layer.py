"""The layer: engines opened as devices, and everything one can ask of them. The only composition root."""

from __future__ import annotations

import atexit
import weakref

from acrypto import _core
from acrypto.engines.catalogue import ENGINES, default_engines
from acrypto.engines.catalogue import engines as known_engines
from acrypto.layer.control import Control
from acrypto.layer.views import Device, Explanation, RequestRow, Statistics
from acrypto.model.errors import NoEngine, UnknownAlgorithm, UsageError
from acrypto.model.settings import Settings
from acrypto.registry import listing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Any, Self, TypedDict

    from typing_extensions import Buffer as BytesLike
    from typing_extensions import Unpack

    from acrypto.engines.base import Engine
    from acrypto.layer.tree import Tree
    from acrypto.model.sources import Source
    from acrypto.registry.listing import AlgorithmRow, OfferRow

    class Wishes(TypedDict, total=False):
        """What every operation takes by name."""

        priority: int
        deadline: float | None
        device: str | None
        client: str | None
        mode: str
        callback: Callable[[_core.Operation[Any]], object] | None


#: Keyless transforms that a layer keeps for its own convenience methods; more are made anew each time.
MAX_CACHED = 64

_open_layers: weakref.WeakSet[Layer] = weakref.WeakSet()


class Layer(Control):
    """Devices, queues and completions, opened and closed together.

    Made by `acrypto.open`. Use it as `async with` in an event loop or as `with` in threads; any number of threads and
    loops may share it. Every method that does work submits it at once and gives an `Operation`: await it in the loop
    that called, or `wait()` for it in a thread. Sources are borrowed until the operation ends: do not write to them
    before. Results are `Buffer`s (bytes-like) for data, `bytes` for digests, tags and random numbers.

    Args:
        engines: which engines to open, by name or as instances; by default every one that is present and not only
            opened by name.
        settings: how; see `Settings`.

    Raises:
        UsageError: an engine's name is not in the catalogue.
        NoEngine: an engine that was asked for by name is absent; says why.
    """

    def __init__(self, engines: Iterable[str | Engine] | None = None, *, settings: Settings | None = None) -> None:
        chosen = _chosen(engines)
        self.settings = settings or Settings()
        self._native = _core.Layer(
            inline_ns=int(self.settings.inline_us * 1000),
            pool_bytes=self.settings.pool_bytes,
            max_output=self.settings.max_output,
            allow_insecure=self.settings.allow_insecure,
            attempts=self.settings.attempts,
            crosscheck=self.settings.crosscheck,
            quarantine_errors=self.settings.quarantine_errors,
            quarantine_factor=self.settings.quarantine_factor,
            trickle=self.settings.trickle,
            gather_ns=int(self.settings.gather_us * 1000),
        )
        self._cache: dict[object, _core.Transform] = {}
        #: Called when it has closed, by whoever waits for something else meanwhile and would not see it.
        self._when_closed: set[Callable[[], object]] = set()
        # Not needed for `import acrypto`, which is to be cheap.
        from acrypto.balancers.balancers import Balancers
        from acrypto.layer.care import Care
        from acrypto.layer.opening import Devices
        from acrypto.registry.registry import Registry
        from acrypto.registry.verdicts import Verdicts

        self._devices = Devices(self._native, self.settings)
        self._registry = Registry(self._native, self._devices.host, Verdicts(), _warn, self._cache.clear)
        remembers = self.settings.remember_costs
        self._care = Care(
            self._native,
            self._devices,
            self._registry,
            self.settings,
            remembers=engines is None if remembers is None else remembers,
        )
        try:
            self._balancers = Balancers(self._native, self.settings.balancer)
            for engine in chosen:
                self._open_chosen(engine, is_wanted=engines is not None or type(engine) in ENGINES.values())
        except BaseException:
            self.close()
            raise
        _open_layers.add(self)

    def _open_chosen(self, engine: Engine, *, is_wanted: bool) -> None:
        try:
            self._open(engine)
        except Exception as error:  # of a package that happens to be installed: it must not keep us from opening
            if is_wanted:
                raise
            _warn(f"the engine {engine.name} of an entry point is left out: {type(error).__name__}: {error}")

    def _open(self, engine: Engine) -> str:
        from acrypto.registry.verdicts import identity

        device, offers, runs_inline = self._devices.open(engine)
        try:
            self._registry.register(device, engine, offers, identity(engine), runs_here=runs_inline)
        except BaseException:
            self._leave(device)
            self._devices.close(device)
            raise
        self._care.welcome(device)
        return device

    # ---- Life

    @property
    def is_open(self) -> bool:
        """Whether work may be submitted: not closed, and not inherited from a parent process."""
        return self._native.is_open

    def close(self) -> None:
        """Ends the layer: queued operations fail with ClosedError, running ones are waited for. Idempotent.

        Pipelines of this layer end with ClosedError, too; one that waits for its source or sink ends at once.

        Blocks this thread until the workers have ended; in an event loop use `aclose`.
        """
        self._stop()

    def _stop(self) -> None:
        if not self._native.is_ours:
            return  # a forked child: the threads are the parent's
        self._care.save()
        self._native.close()
        for tell in list(self._when_closed):
            tell()
        self._devices.stop()
        self._care.stop()
        self._native.unregister()
        self._cache.clear()

    async def aclose(self) -> None:
        """Like `close`, without blocking the event loop."""
        import asyncio

        # Cancelled here, it goes on in its thread; whoever closes next waits for it.
        await asyncio.get_running_loop().run_in_executor(None, self._stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        native = getattr(self, "_native", None)
        if native is not None and native.is_open:
            import warnings

            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=1)
            self.close()

    def __repr__(self) -> str:
        if not self.is_open:
            return "<Layer: closed>"
        devices = self.devices()
        active = sum(device.operations for device in devices)
        return f"<Layer on {', '.join(device.name for device in devices) or 'no device'}: {active} active>"

    # ---- Transforms

    def transform(
        self,
        name: str,
        *,
        key: BytesLike | None = None,
        level: int | None = None,
        strategy: str | None = None,
        tag_len: int | None = None,
        digest_size: int | None = None,
        window: int | None = None,
        hash: str | None = None,
        padding: str | None = None,
        unit: int | None = None,
        verify: bool = False,
    ) -> _core.Transform:
        """An algorithm with its parameters and key: reusable, shareable between threads, bound to no device.

        Args:
            name: in the kernel's grammar: `deflate`, `gcm(aes)`, `authenc(hmac(sha256),cbc(aes))`; or a driver's, for
                that implementation and no other.
            key: key bytes; PKCS#8 or SubjectPublicKeyInfo in DER for signatures. Copied, and wiped with the transform.
            level: of compression; gzip's 0 to 9 for the deflate family.
            strategy: "fixed" for fixed Huffman codes (deflate family).
            tag_len: bytes of an AEAD's or MAC's tag.
            digest_size: bytes of a digest whose size is variable.
            window: log2 of the history window, where a codec lets one choose.
            hash: of a signature: "sha256", "sha384", "sha512".
            padding: of an RSA signature: "pss" or "pkcs1".
            unit: bytes of plaintext that are sealed at a time, of `stream(...)`; 65536 unless told otherwise. Of
                `xts(aes)` bytes of a sector, a multiple of 16 up to 2^24: messages are whole sectors, and the nonce,
                the first one's tweak, grows by one for each, as dm-crypt's plain64; without it a message is one unit.
            verify: whether every result is checked before it is given: what was compressed or encrypted is turned back,
                what was computed is computed again, by another than its maker where there is one. A device that was
                wrong is quarantined, and the work done elsewhere.

        Raises:
            UnknownAlgorithm: no such name.
            NoEngine: the name is known, but nothing here can do it, or what could has failed its self-test.
            DeadlineExceeded: what could is being tested by another thread, for over a minute.
            UsageError: a parameter is wrong, missing, or not the algorithm's.
            ClosedError: the layer is closed.

        Usually takes microseconds. The first transform of a composition builds and proves it, some 10 ms; keying one
        whose parts run elsewhere, or a name that another thread is testing, may block this thread for longer.
        """
        parameters = {
            "key": key,
            "level": level,
            "strategy": strategy,
            "tag_len": tag_len,
            "digest_size": digest_size,
            "window": window,
            "hash": hash,
            "padding": padding,
            "unit": unit,
            "verify": verify or None,
        }
        try:
            return self._native.transform(name, **parameters)
        except (UnknownAlgorithm, NoEngine):
            if not self.is_open:
                raise
        # Nobody offers it yet: it is being tested, or a template can make it.
        while True:
            row = self._registry.find(name)
            try:
                return self._native.transform(name if row.algorithm == name else row.driver, **parameters)
            except (UnknownAlgorithm, NoEngine):
                if any(offer.id == row.id for offer in self._registry.rows()):
                    # It is there, for many messages at once only; or it cannot be used, and that tells why.
                    return self._native.transform(row.driver, **parameters)
                # One that has left meanwhile is looked for again.

    def _kept(
        self, name: str, *, level: int | None = None, strategy: str | None = None, digest_size: int | None = None
    ) -> _core.Transform:
        key = (name, level, strategy, digest_size)
        found = self._cache.get(key)
        if found is None:
            found = self.transform(name, level=level, strategy=strategy, digest_size=digest_size)
            if len(self._cache) < MAX_CACHED:
                self._cache[key] = found
        return found

    def route(self, *transforms: _core.Transform) -> _core.Route:
        """Several transforms as one request, in order: `await route.run(data, nonce=..., ad=...)`.

        Each stage runs on its best device, what one gives is what the next reads, in the pool's memory. A MAC stage
        appends its tag, a digest stage passes the data on and leaves its value in `op.completion.digests`.
        `route.reverse()` undoes it: it decrypts, checks and strips tags, and decompresses, from the last to the first.

        Raises:
            UsageError: no transform, one of another layer, or one that has no place in a route (signatures, random).
        """
        return self._native.route(*transforms)

    # ---- Work

    def compress(
        self,
        name: str,
        data: Source,
        *,
        level: int | None = None,
        strategy: str | None = None,
        **wishes: Unpack[Wishes],
    ) -> _core.Operation[_core.Buffer]:
        """Compresses one message with `deflate`, `zlib`, `gzip`, `zstd`, `lz4` or `lz4-block`."""
        return self._kept(name, level=level, strategy=strategy).compress(data, **wishes)

    def decompress(
        self, name: str, data: Source, *, max_output: int | None = None, **wishes: Unpack[Wishes]
    ) -> _core.Operation[_core.Buffer]:
        """Decompresses one message to its end, all members or frames of it.

        Raises, when awaited:
            CorruptInput: damaged, truncated or followed by something else.
            LimitExceeded: more than `max_output` bytes (the setting `max_output` unless given).
        """
        return self._kept(name).decompress(data, max_output=max_output, **wishes)

    def digest(
        self, name: str, data: Source, *, digest_size: int | None = None, **wishes: Unpack[Wishes]
    ) -> _core.Operation[bytes]:
        """The digest or checksum of one message."""
        return self._kept(name, digest_size=digest_size).digest(data, **wishes)

    def mac(
        self, name: str, key: BytesLike, data: Source, *, tag_len: int | None = None, **wishes: Unpack[Wishes]
    ) -> _core.Operation[bytes]:
        """The tag of one message under a key. For many messages make a transform once."""
        return self.transform(name, key=key, tag_len=tag_len).mac(data, **wishes)

    def random(self, nbytes: int, *, device: str | None = None) -> _core.Operation[bytes]:
        """Random bytes fit for keys, from a DRBG seeded by the system (NIST SP 800-90A); at most 1 MiB at once."""
        if nbytes < 0:
            raise UsageError(f"{nbytes} random bytes; the number must be 0 or more")
        return self._native.random(nbytes, device=device)

    # ---- Offers

    def register(self, engine: Engine) -> str:
        """Opens one more engine as a device of the running layer; the device's name.

        Its offers are proven first, on this thread; those that fail stay hidden, which `offers()` tells. From then on
        the balancer may send it work of every transform that names the algorithm, and queued work of others may move
        there. Software takes tenths of a second, an engine written in Python may take several: in an event loop use
        `await asyncio.to_thread(layer.register, engine)`.

        Raises:
            NoEngine: the engine is absent; says why.
            UsageError: an offer is malformed, or its driver name is taken. Nothing was registered.
            ClosedError: the layer is closed.
        """
        absent = engine.probe()
        if absent is not None:
            raise NoEngine(f"engine {engine.name} is absent: {absent.reason}")
        device = self._open(engine)
        self._cache.clear()
        return device

    def unregister(self, name: str, timeout: float | None = None) -> None:
        """Takes a driver, or a device with all its offers, out of the layer.

        New transforms do not find it from this moment on. Then waits until nobody uses it any more: a transform
        holds its driver until it is dropped. A device is closed at last.

        Args:
            name: of a driver or a device.
            timeout: seconds to wait; None waits for ever, 0 only takes it out of lookup.

        Raises:
            UnknownAlgorithm: there is neither a driver nor a device of that name.
            DeadlineExceeded: it has left lookup, but is still in use after `timeout` seconds; a device then stays open.
        """
        is_device = any(device.name == name for device in self.devices())
        self._cache.clear()
        try:
            self._registry.withdraw(name, timeout)
        except UnknownAlgorithm:
            if not is_device:
                raise
        if is_device:
            self._devices.close(name)

    def offers(self) -> list[OfferRow]:
        """Every offer of every device, those that failed their self-test too, oldest first."""
        return self._registry.rows()

    def find(self, name: str, *, kind: str | None = None, asynchronous: bool | None = None) -> OfferRow:
        """The offer that stands for `name` now: a driver's exactly, else the strongest of an algorithm.

        The strongest is the one that compositions are made of, and that serves first; where work of a plain name
        really goes is the balancer's choice, which `explain` tells.

        What nobody offers is made by a template, if there is one; what is being tested is waited for.

        Args:
            name: of an algorithm or a driver.
            kind: only of this sort, "digest" or "aead", say: one of `acrypto.model.offers.KINDS`.
            asynchronous: only such that complete later (True), or on the spot (False).

        Raises:
            UsageError: the name is malformed, or its parts cannot be combined so; told with the column.
            UnknownAlgorithm: no such name.
            NoEngine: nothing here can do it, or nothing of this sort, or what could has failed its self-test.
            DeadlineExceeded: it is being tested, for over a minute.
        """
        return self._registry.find(name, kind=kind, asynchronous=asynchronous)

    def selftest(self) -> list[OfferRow]:
        """Proves every offer again, whatever was known of it; hides what fails, shows what passes now."""
        rows = self._registry.prove_again()
        self._cache.clear()  # afterwards: what was bound meanwhile may have failed by now
        return rows

    # ---- Views

    def poll(self, most: int = 1 << 30) -> list[_core.Operation[Any]]:
        """Reaps operations of `mode="poll"` that have ended, oldest first, and runs their callbacks here."""
        if most < 0:
            raise UsageError(f"most is {most}; it must be 0 or more")
        return self._native.poll(most)

    def requests(self) -> list[RequestRow]:
        """Every request that is queued on any device, or waits behind its budget."""
        return [RequestRow(*row) for row in self._native.requests()]

    def statistics(self) -> Statistics:
        """What was done by device and by algorithm, what fell back and why, and the pool's state."""
        native = self._native
        return Statistics(native.devices(), native.algorithms_run(), native.fallbacks(), native.pool())

    def tree(self) -> Tree:
        """The layer's state as a tree of files, some of which can be written; see `acrypto.layer.tree`."""
        from acrypto.layer.tree import Tree

        return Tree(self)

    def devices(self) -> list[Device]:
        """Every device with its state, queue and counters, at this moment."""
        return [Device(facts) for facts in self._native.devices()]

    def algorithms(self) -> list[AlgorithmRow]:
        """Every algorithm that is known here: who offers it, or why nobody does."""
        return listing.rows(self._registry.rows())

    def costs(self) -> list[tuple[str, str, str, int, int, int, int]]:
        """What was measured: one row for each device, algorithm, direction and size class.

        Each is (device, algorithm:level:strategy:key bytes, direction, smallest bytes of the class, nanoseconds of a
        run, nanoseconds by which one delays those behind it, runs measured).
        """
        return self._native.costs()

    def explain(
        self,
        name: str,
        *,
        nbytes: int,
        level: int | None = None,
        strategy: str | None = None,
        key: BytesLike | None = None,
    ) -> list[Explanation]:
        """Where operations of this algorithm on `nbytes` would run, and why; one line for each direction.

        Told by the rules that decide, without changing anything: trials and exploration of `fastest`, which befall a
        few requests, aside.
        """
        if nbytes < 0:
            raise UsageError(f"nbytes is {nbytes}; it must be 0 or more")
        rows = self.transform(name, level=level, strategy=strategy, key=key).explain(nbytes)
        return [Explanation(*row) for row in rows]

    def lingering(self) -> int:
        """Operations whose memory is pinned now: in flight, or cancelled while an engine had not let go yet."""
        return self._native.pinned()[0]


def _chosen(engines: Iterable[str | Engine] | None) -> list[Engine]:
    """The engines to open, instantiated and present."""
    if engines is None:
        return default_engines()
    chosen = []
    for wanted in engines:
        engine = wanted
        if isinstance(engine, str):
            known = known_engines()
            if engine not in known:
                raise UsageError(f"no engine is called {engine!r}; known: {', '.join(known)}")
            engine = known[engine]()
        absent = engine.probe()
        if absent is not None:
            raise NoEngine(f"engine {engine.name} is absent: {absent.reason}")
        chosen.append(engine)
    return chosen


def _warn(message: str) -> None:
    import logging

    logging.getLogger("acrypto").warning(message)


def _close_all() -> None:
    # Workers must not outlive the interpreter, whose memory they may be writing to.
    for layer in list(_open_layers):
        layer.close()


atexit.register(_close_all)


def open(engines: Iterable[str | Engine] | None = None, *, settings: Settings | None = None) -> Layer:
    """Opens a layer: `async with acrypto.open() as layer:` in a loop, `with acrypto.open() as layer:` in threads.

    See `Layer` for the arguments and errors.
    """
    return Layer(engines, settings=settings)
