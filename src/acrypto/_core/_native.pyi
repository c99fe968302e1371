"""The boundary between Python and Rust, on one page."""

from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from os import PathLike
from typing import Any, ClassVar, Generic, Literal, SupportsIndex, TypeAlias, TypeVar, final, overload

from typing_extensions import Buffer as BytesLike

# One message: a bytes-like object, or a list or tuple of them (its segments in order).
_Source: TypeAlias = BytesLike | list[Any] | tuple[Any, ...]
# Algorithm, kind, driver, priority, whether it is insecure; block, digest, nonce and tag sizes; most bytes, most
# requests, directions as bits, whether it is repeatable.
_Offer: TypeAlias = tuple[str, str, str, int, bool, tuple[int, int, int, int], tuple[int, int, int, bool]]
# Device, algorithm with what changes its price, direction, bytes from, run and gap in nanoseconds, samples.
_Cost: TypeAlias = tuple[str, str, str, int, int, int, int]
_T_co = TypeVar("_T_co", covariant=True)

@final
class Batch:
    """Results of many units in one piece of memory. Immutable; any thread may read it.

    `batch[i]` and iteration give memoryviews without a copy, and raise what a unit failed with. The memory stays as
    long as the batch or a view of it; an `into` that was given is the caller's, who may write to it at any time.

    Attributes:
        buffer: the memory: the `into` that was given, or a `Buffer` that ends with the last result.
        lengths: bytes of each result, or a negative errno where a unit failed (`-ENOSPC`: it does not fit its slot), as
            64-bit integers: `numpy.asarray(batch.lengths)` copies nothing.
        offsets: where in the memory each result begins; likewise.
        errors: the exceptions of the units that failed, by index; empty if none did. Only a batch that was asked for
            with `return_exceptions=True` has any.
        unit: bytes that the source was cut by, or None.
        nbytes: where in the memory the last result ends.
    """

    @property
    def buffer(self) -> BytesLike: ...
    @property
    def lengths(self) -> memoryview[int]: ...
    @property
    def offsets(self) -> memoryview[int]: ...
    @property
    def errors(self) -> dict[int, Exception]: ...
    @property
    def unit(self) -> int | None: ...
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> memoryview[int]: ...
    def __iter__(self) -> Iterator[memoryview[int]]: ...

@final
class Buffer:
    """A result: read-only bytes in pooled memory, lent without a copy through the buffer protocol."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __bytes__(self) -> bytes: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> bytes: ...
    def __add__(self, other: BytesLike, /) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def tobytes(self) -> bytes: ...
    def hex(self) -> str: ...
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str: ...

@final
class Completion:
    """How an operation ended: which device ran it, why, and how long it took."""

    @property
    def device(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def queue_ns(self) -> int: ...
    @property
    def run_ns(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def bytes_in(self) -> int: ...
    @property
    def bytes_out(self) -> int: ...
    @property
    def checksum(self) -> int | None: ...
    @property
    def stages(self) -> list[Stage]: ...
    @property
    def digests(self) -> list[tuple[str, bytes]]: ...

@final
class Stage:
    """How one stage of a route ended."""

    @property
    def algorithm(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def driver(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def queue_ns(self) -> int: ...
    @property
    def run_ns(self) -> int: ...

@final
class Balancer:
    """A policy that picks a device for each request."""

    @staticmethod
    def simple() -> Balancer: ...
    @staticmethod
    def fastest() -> Balancer: ...
    @staticmethod
    def round_robin() -> Balancer: ...
    @staticmethod
    def by_size(threshold: int, small: str, large: str) -> Balancer: ...
    @staticmethod
    def failover(order: Sequence[str]) -> Balancer: ...
    @staticmethod
    def python(object: Any) -> Balancer: ...
    @property
    def name(self) -> str: ...

@final
class RequestView:
    """A request, as a balancer sees it."""

    @property
    def algorithm(self) -> str: ...
    @property
    def direction(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def client(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def device_count(self) -> int: ...

@final
class DeviceView:
    """A device that could take a request, as a balancer sees it."""

    @property
    def name(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def operations(self) -> int: ...
    @property
    def ready_ns(self) -> int: ...
    @property
    def run_ns(self) -> int: ...
    @property
    def samples(self) -> int: ...
    @property
    def has_room(self) -> bool: ...

@final
class Hop:
    """A route between its last stage and its end: what has happened, and the chance to add more."""

    @property
    def nbytes(self) -> int: ...
    @property
    def stages(self) -> list[Stage]: ...
    def append(
        self,
        transform: Transform,
        *,
        nonce: BytesLike | None = None,
        ad: _Source | None = None,
        max_output: int | None = None,
    ) -> None: ...

@final
class Route:
    """An ordered list of transforms that runs as one request. Shareable between threads."""

    @property
    def algorithms(self) -> list[str]: ...
    def reverse(self) -> Route: ...
    @overload
    def run(
        self,
        data: _Source,
        *,
        nonce: BytesLike | dict[Any, Any] | None = None,
        ad: _Source | dict[Any, Any] | None = None,
        into: None = None,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
        then: Callable[[Hop], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def run(
        self,
        data: _Source,
        *,
        nonce: BytesLike | dict[Any, Any] | None = None,
        ad: _Source | dict[Any, Any] | None = None,
        into: BytesLike,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
        then: Callable[[Hop], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_run(
        self,
        data: _Source,
        *,
        nonce: BytesLike | dict[Any, Any] | None = None,
        ad: _Source | dict[Any, Any] | None = None,
        into: None = None,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
        then: Callable[[Hop], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def try_run(
        self,
        data: _Source,
        *,
        nonce: BytesLike | dict[Any, Any] | None = None,
        ad: _Source | dict[Any, Any] | None = None,
        into: BytesLike,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
        then: Callable[[Hop], object] | None = None,
    ) -> Operation[int]: ...

@final
class Operation(Awaitable[_T_co], Generic[_T_co]):
    """The handle of a request. Await it in the loop that submitted it, or `wait` in a thread. Any thread may cancel.

    What every operation of a transform or a route takes by name when it is submitted:

    - priority: larger ones go first; 0 unless told otherwise.
    - deadline: seconds from now after which it ends with DeadlineExceeded, wherever it is.
    - device: a device's name: there or nowhere.
    - client: whose work it is, for fair shares; see `Layer.set_client`.
    - mode: how its end is told: "queued", "poll", "direct" or "inline"; see docs/devices.md.
    - callback: called with the operation once, after it has ended: in the event loop; without one on a thread of the
      layer's own; with "poll" by `Layer.poll`, with "direct" on the thread that completed it, with "inline" before the
      return. What it raises goes to `sys.unraisablehook`.
    """

    def __class_getitem__(cls, of: Any) -> Any: ...

    _asyncio_future_blocking: bool
    @property
    def _cancel_message(self) -> object: ...
    def _make_cancelled_error(self) -> BaseException: ...
    def __await__(self) -> Generator[Any, None, _T_co]: ...
    def __iter__(self) -> Generator[Any, None, _T_co]: ...
    def __next__(self) -> Operation[_T_co]: ...
    def get_loop(self) -> Any: ...
    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def cancel(self, msg: object = None) -> bool: ...
    def result(self) -> _T_co: ...
    def exception(self) -> BaseException | None: ...
    def add_done_callback(self, callback: Callable[[Any], object], *, context: Any = None) -> None: ...
    def remove_done_callback(self, callback: Callable[[Any], object]) -> int: ...
    def wait(self, timeout: float | None = None) -> _T_co: ...
    @property
    def completion(self) -> Completion | None: ...

@final
class Job:
    """A request in the hands of an engine written in Python. Complete it exactly once."""

    @property
    def operation(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def params(self) -> dict[str, Any]: ...
    @property
    def max_output(self) -> int: ...
    @property
    def more(self) -> bool: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def units(self) -> list[tuple[bytes, bytes, bytes, bytes]]: ...
    def complete(self, results: list[bytes | Exception]) -> bool: ...

@final
class Engine:
    """An engine of the core, not opened yet."""

    @staticmethod
    def software() -> Engine: ...
    @staticmethod
    def null(*, inline: bool = True) -> Engine: ...
    @staticmethod
    def faulty(inner: Engine, schedule: Sequence[tuple[str, int, int, int, float]]) -> Engine: ...
    @staticmethod
    def external(name: str) -> Engine: ...
    @staticmethod
    def host(name: str, threads: int) -> Engine: ...
    @staticmethod
    def iaa(driver: IaaDriver) -> Engine: ...
    @staticmethod
    def multibuffer() -> Engine: ...
    @staticmethod
    def simulated(
        *,
        name: str,
        priority: int,
        algorithms: Sequence[str] | None,
        seed: int,
        knobs: Sequence[tuple[str, float]],
    ) -> Engine: ...
    def tune(self, knob: str, value: float) -> None: ...
    def health(self) -> None: ...
    def revive(self) -> None: ...
    def offers(self) -> list[_Offer]: ...
    @property
    def runs_inline(self) -> bool: ...

@final
class Transform:
    """An algorithm with its parameters and key, bound to no device. Shareable between threads."""

    @property
    def algorithm(self) -> str: ...
    @property
    def kind(self) -> str: ...
    def public_key(self) -> bytes: ...
    def explain(self, nbytes: int) -> list[tuple[str, str, str, str, int, str]]: ...
    @overload
    def compress(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def compress(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_compress(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def try_compress(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def decompress(
        self,
        data: _Source,
        *,
        into: None = None,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def decompress(
        self,
        data: _Source,
        *,
        into: BytesLike,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_decompress(
        self,
        data: _Source,
        *,
        into: None = None,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def try_decompress(
        self,
        data: _Source,
        *,
        into: BytesLike,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def digest(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def digest(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_digest(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def try_digest(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def mac(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def mac(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_mac(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def try_mac(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def sign(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def sign(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_sign(
        self,
        data: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def try_sign(
        self,
        data: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def agree(
        self,
        peer: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def agree(
        self,
        peer: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_agree(
        self,
        peer: _Source,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def try_agree(
        self,
        peer: _Source,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def encrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def encrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_encrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def try_encrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def decrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def decrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    @overload
    def try_decrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Buffer]: ...
    @overload
    def try_decrypt(
        self,
        nonce: BytesLike,
        data: _Source,
        ad: _Source | None = None,
        *,
        into: BytesLike,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[int]: ...
    def verify(
        self,
        tag: BytesLike,
        data: _Source,
        *,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[None]: ...
    def try_verify(
        self,
        tag: BytesLike,
        data: _Source,
        *,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[None]: ...
    @overload
    def compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        slot: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        slot: int,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        slot: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def try_compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        slot: int,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_compress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def decompress_many(  # type: ignore[overload-overlap]  # a Batch can be iterated, too
        self,
        data: Batch,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def decompress_many(
        self,
        data: BytesLike,
        *,
        unit: int | None = None,
        lengths: Sequence[int] | BytesLike,
        offsets: Sequence[int] | BytesLike | None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: None = None,
        slot: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: BytesLike,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: None = None,
        slot: int,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_decompress_many(  # type: ignore[overload-overlap]  # a Batch can be iterated, too
        self,
        data: Batch,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_decompress_many(
        self,
        data: BytesLike,
        *,
        unit: int | None = None,
        lengths: Sequence[int] | BytesLike,
        offsets: Sequence[int] | BytesLike | None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: None = None,
        slot: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def try_decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: BytesLike,
        slot: int | None = None,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: None = None,
        slot: int,
        packed: bool = False,
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_decompress_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        lengths: None = None,
        offsets: None = None,
        into: BytesLike | None = None,
        slot: int | None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        max_output: int | None = None,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def digest_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...
    @overload
    def digest_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def digest_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_digest_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...
    @overload
    def try_digest_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_digest_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def mac_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...
    @overload
    def mac_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def mac_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_mac_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...
    @overload
    def try_mac_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_mac_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def encrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def encrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def encrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_encrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def try_encrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_encrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def decrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def decrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def decrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_decrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[False] = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[Buffer]]: ...
    @overload
    def try_decrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: BytesLike,
        packed: bool = False,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    @overload
    def try_decrypt_many(
        self,
        nonces: Iterable[BytesLike] | BytesLike,
        data: Iterable[_Source] | BytesLike,
        ads: Iterable[_Source] | None = None,
        *,
        unit: int | None = None,
        into: None = None,
        packed: Literal[True],
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[Batch]: ...
    def sign_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...
    def try_sign_many(
        self,
        data: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...
    def verify_many(
        self,
        tags: Iterable[BytesLike],
        data: Iterable[_Source],
        *,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[None]]: ...
    def try_verify_many(
        self,
        tags: Iterable[BytesLike],
        data: Iterable[_Source],
        *,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[None]]: ...
    def agree_many(
        self,
        peers: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...
    def try_agree_many(
        self,
        peers: Iterable[_Source] | BytesLike,
        *,
        unit: int | None = None,
        return_exceptions: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        device: str | None = None,
        client: str | None = None,
        mode: str = "queued",
        callback: Callable[[Any], object] | None = None,
    ) -> Operation[list[bytes]]: ...

@final
class Layer:
    """Devices, queues and completion rings, opened and closed together. Shareable between threads."""

    def __new__(
        cls,
        *,
        inline_ns: int,
        pool_bytes: int,
        max_output: int,
        allow_insecure: bool,
        attempts: int = 3,
        crosscheck: int = 0,
        quarantine_errors: int = 4,
        quarantine_factor: float = 50.0,
        trickle: int = 16,
        gather_ns: int = 0,
    ) -> Layer: ...
    def add_device(
        self,
        name: str,
        engine: Engine,
        *,
        workers: int,
        operations: int,
        queue_bytes: int,
        spin_ns: int,
        burst: int,
        lost_after: float,
        aging_ns: int = 0,
    ) -> None: ...
    def remove_device(self, name: str) -> None: ...
    def lanes(self, device: str) -> int: ...
    def register(self, device: str, offers: Sequence[_Offer]) -> list[int]: ...
    def compose(self, device: str, made: _Offer, template: str, parts: Sequence[int]) -> int | None: ...
    def publish(self, bid: int) -> None: ...
    def hide(self, bid: int) -> None: ...
    def withdraw(self, bid: int) -> None: ...
    def wait_free(self, bid: int, seconds: float | None = None) -> bool: ...
    def users(self, bid: int) -> int: ...
    def transform_of(self, bid: int, **parameters: Any) -> Transform: ...
    def random_of(self, bid: int, nbytes: int) -> Operation[bytes]: ...
    def transform(self, name: str, **parameters: Any) -> Transform: ...
    def random(self, nbytes: int, *, device: str | None = None) -> Operation[bytes]: ...
    def devices(self) -> list[dict[str, Any]]: ...
    def costs(self) -> list[_Cost]: ...
    def load_costs(self, rows: Sequence[_Cost]) -> int: ...
    def algorithms_run(self) -> list[dict[str, Any]]: ...
    def fallbacks(self) -> dict[str, int]: ...
    def pool(self) -> dict[str, int]: ...
    def requests(self) -> list[tuple[int, str, str, str, int, int, bool, int]]: ...
    def balancer(self) -> str: ...
    def set_balancer(self, balancer: Balancer) -> None: ...
    def set_client(self, name: str, weight: int) -> None: ...
    def route(self, *transforms: Transform) -> Route: ...
    def poll(self, most: int = ...) -> list[Operation[Any]]: ...
    def pinned(self) -> tuple[int, int]: ...
    def welcome(self, name: str) -> None: ...
    def break_device(self, name: str) -> None: ...
    def quarantine_device(self, name: str, reason: str) -> bool: ...
    def revive_device(self, name: str) -> bool: ...
    def readmit_device(self, name: str) -> bool: ...
    def drain_device(self, name: str, seconds: float | None = None) -> bool: ...
    def health(self, name: str) -> str | None: ...
    def wait_event(self, seconds: float) -> tuple[str, str, str] | None: ...
    def take_jobs(self, name: str, most: int) -> list[Job]: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def is_ours(self) -> bool: ...
    def close(self) -> None: ...
    def unregister(self) -> None: ...

@final
class Decompressor:
    """A decompressor in steps, for data larger than memory. One step at a time."""

    def __new__(cls, layer: Layer, format: str, window: BytesLike | None = None) -> Decompressor: ...
    def step(self, data: _Source, room: int, *, end: bool = False) -> Operation[Buffer]: ...
    def last(self) -> tuple[int, int, bool] | None: ...

@final
class FileDigests:
    """A job that hashes files with threads of its own."""

    def __new__(
        cls, workers: int, *, mapped: bool = False, ordered: bool = True, piece: int | None = None
    ) -> FileDigests: ...
    def algorithm(self, name: str, **parameters: Any) -> tuple[int, str]: ...
    def submit(self, files: list[tuple[bytes | int, int]]) -> None: ...
    # Number of the file; its digest, an error number with an offset, or an exception; bytes; nanoseconds.
    def take(
        self, most: int, timeout: float | None = None
    ) -> list[tuple[int, bytes | tuple[int, int | None] | Exception, int, int]]: ...
    def listen(self) -> int: ...
    def silence(self) -> None: ...
    def progress(self) -> tuple[int, int, int]: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...

# An offset in area 0, or an area and an offset.
_PageKey: TypeAlias = int | tuple[int, int]

@final
class PageStore:
    """Pages by key, compressed, in slabs; see `acrypto.consumers.pagestore.PageStore`. Shareable between threads."""

    def __new__(
        cls,
        transform: Transform,
        *,
        page_size: int,
        max_bytes: int,
        batch: int,
        path: str | PathLike[str] | None = None,
        file_bytes: int | None = None,
    ) -> PageStore: ...
    def put(self, key: _PageKey, page: _Source, *, mode: str | None = None) -> Operation[None]: ...
    def put_many(
        self, keys: Iterable[_PageKey], pages: BytesLike | Iterable[_Source], *, mode: str | None = None
    ) -> Operation[None]: ...
    @overload
    def get(self, key: _PageKey, *, into: None = None, mode: str | None = None) -> Operation[Buffer | None]: ...
    @overload
    def get(self, key: _PageKey, *, into: BytesLike, mode: str | None = None) -> Operation[bool]: ...
    @overload
    def get_many(
        self, keys: Iterable[_PageKey], *, into: None = None, mode: str | None = None
    ) -> Operation[list[memoryview | None]]: ...
    @overload
    def get_many(
        self, keys: Iterable[_PageKey], *, into: BytesLike, mode: str | None = None
    ) -> Operation[list[bool]]: ...
    def invalidate(self, keys: Iterable[_PageKey]) -> int: ...
    def clear(self, area: int | None = None) -> int: ...
    def write_back(self, pages: int) -> int: ...
    def compact(self) -> int: ...
    # Areas and offsets.
    def oldest(self, most: int) -> list[tuple[int, int]]: ...
    def keys(self) -> list[tuple[int, int]]: ...
    def statistics(self) -> dict[str, int]: ...
    def close(self) -> None: ...
    def __contains__(self, key: _PageKey, /) -> bool: ...
    def __len__(self) -> int: ...

@final
class Hasher:
    """A digest or MAC in steps. One step at a time."""

    def __new__(cls, layer: Layer, algorithm: str, **parameters: Any) -> Hasher: ...
    def update(self, data: _Source) -> Operation[None]: ...
    def finish(self) -> bytes: ...

@final
class Space:
    """Writable memory of the layer's pool, for `readinto`.

    It begins on a page, holds whatever it held before, and goes back to the pool when it and all views of it are gone.

    Args:
        layer: whose pool lends the memory.
        nbytes: its size.
    """

    def __new__(cls, layer: Layer, nbytes: int) -> Space: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...

@final
class Reader:
    """Reads a file, pipe or device in pieces, some of them ahead, into memory of the layer's pool.

    At most `ahead` pieces are in memory beside those given out and still held. One thread reads at a time; `cancel` may
    come from any. The descriptor is duplicated: it may be closed at once. A descriptor without an `offset` is left
    standing behind what was given out.

    Args:
        layer: whose pool lends the memory.
        fd: what to read; remains the caller's.
        piece: bytes of a piece: a multiple of the page size.
        ahead: pieces that are read before they are asked for.
        offset: where to begin; by default where the descriptor stands. Pipes and their like have none.
        length: the most bytes; by default to the end.
        direct: whether to pass the page cache by, where the file system can and `offset` is a multiple of a page.
        via: "uring", "threads", or "auto" for the first that can be had. What has no offsets is read by a thread.

    Raises:
        UsageError: `piece`, `ahead` or `via` is out of range.
        OSError: `fd` cannot be read, or has no offsets.
    """

    def __new__(
        cls,
        layer: Layer,
        fd: int,
        *,
        piece: int,
        ahead: int,
        offset: int | None = None,
        length: int | None = None,
        direct: bool = False,
        via: str = "auto",
    ) -> Reader: ...
    def next(self) -> Buffer | None:
        """The next piece, whole unless the data end in it; None at the end.

        Raises:
            ClosedError: it was cancelled or closed, or belongs to the parent of this forked process.
            OSError: with the offset in the file. Every later call raises it again.
        """

    def cancel(self) -> None:
        """Ends a waiting `next`, and every later one, with ClosedError. From any thread."""

    def close(self) -> None:
        """Lets go of the file, when the kernel has let go of all memory. Idempotent."""

    @property
    def via(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def direct(self) -> bool: ...

@final
class Writer:
    """Writes a file, pipe or device behind the caller's back, in order.

    Pieces are borrowed, not copied, until they are written, and must not change meanwhile. One thread writes at a
    time; `cancel` may come from any. The descriptor is duplicated: it may be closed at once, but the other side of a
    pipe sees its end only after `close`. A descriptor without an `offset` is left standing behind what was flushed.

    Args:
        layer: whose pool lends memory, if `direct` needs some.
        fd: what to write; remains the caller's.
        behind: bytes that may wait to be written; one piece always may.
        offset: where to begin; by default where the descriptor stands. Pipes and their like have none.
        direct: whether to pass the page cache by, where the file system can and `offset` is a multiple of a page.
        via: "uring", "threads", or "auto" for the first that can be had. What has no offsets is written by a thread.

    Raises:
        UsageError: `via` is none of these.
        OSError: `fd` cannot be written, or has no offsets.
    """

    def __new__(
        cls,
        layer: Layer,
        fd: int,
        *,
        behind: int,
        offset: int | None = None,
        direct: bool = False,
        via: str = "auto",
    ) -> Writer: ...
    def write(self, piece: BytesLike) -> None:
        """Takes a piece, and waits while more than `behind` bytes are unwritten.

        Raises:
            ClosedError: it was cancelled or closed, or belongs to the parent of this forked process.
            OSError: an earlier write failed; with the offset in the file. Every later call raises it again.
        """

    def flush(self) -> None:
        """Waits until all is written that was taken; raises as `write` does."""

    def cancel(self) -> None:
        """Ends a waiting call, and every later one, with ClosedError. From any thread."""

    def close(self) -> None:
        """Lets go of the file, when the kernel has let go of all memory.

        Withdraws what was not flushed, and raises nothing about it. Idempotent.
        """

    @property
    def via(self) -> str: ...
    @property
    def position(self) -> int: ...
    @property
    def direct(self) -> bool: ...

def copies() -> dict[str, int]: ...
def count_copy(place: str, nbytes: int) -> None: ...

@final
class Deflater:
    """A deflate stream call by call, with all of zlib's options. Threads may share it; one call runs at a time."""

    def compress(self, data: BytesLike, /) -> bytes: ...
    def flush(self, mode: int = 4, /) -> bytes: ...
    def copy(self) -> Deflater: ...
    def __copy__(self) -> Deflater: ...
    def __deepcopy__(self, memo: Any, /) -> Deflater: ...
    def acompress(self, data: BytesLike, /) -> Awaitable[bytes]: ...
    def aflush(self, mode: int = 4, /) -> Awaitable[bytes]: ...

@final
class IaaDriver:
    """The driver of Intel's analytics accelerator: queues, tables, settings, statistics. Safe to use from many threads.

    Refusals are `OSError` with the number that Linux's driver gives.

    Args:
        shape: so many NUMA nodes and so many CPUs; None for this machine's.
        packages: None: queues are spread over CPUs by counting through the nodes. Else by package: how many queues of a
            device only compress, and whether each direction goes to all devices of the package.
    """

    def __new__(
        cls, *, shape: tuple[int, int] | None = None, packages: tuple[int, bool, bool] | None = None
    ) -> IaaDriver: ...
    @staticmethod
    def for_server(packages: int, cores: int, threads: int, mapping: tuple[int, bool, bool] | None) -> IaaDriver:
        """For another machine: packages, cores of each, threads of each; `mapping` as `packages` above."""

    def bind(self, queue: IdxdQueue) -> None:
        """Takes a queue; EBUSY if it has it. The first one enables the driver."""

    def unbind(self, device_id: int, queue_id: int) -> None:
        """Lets one go; what is under way in it ends as it ends. ENODEV if it is not bound."""

    @property
    def enabled(self) -> bool: ...
    @property
    def registered(self) -> bool: ...
    @property
    def trouble(self) -> str | None: ...
    @property
    def verify_compress(self) -> bool: ...
    def set_verify_compress(self, verify: bool) -> None:
        """EBUSY while it is enabled."""

    @property
    def sync_mode(self) -> str: ...
    def set_sync_mode(self, mode: str) -> None:
        """`sync`, `async` or `async_irq`, else EINVAL; EBUSY while it is enabled."""

    def set_patience(self, polls: int, ms: float) -> None:
        """After how many looks in vain, and milliseconds, a device counts as stuck: both.

        Raises UsageError for looks beyond 1 to 2^32 - 1, milliseconds beyond 0 to 600 000.
        """

    def revive(self) -> bool:
        """Takes up queues again whose device answers again; whether any does."""

    def table(self, cpu: int, compress: bool) -> list[tuple[int, int]]:
        """The queues that a CPU goes round in, by device and queue."""

    def plan(self) -> tuple[int, list[int]]:
        """CPUs that share a device, and the CPUs whose turn came after the last one."""

    def in_flight(self) -> list[tuple[tuple[int, int], int, int]]:
        """Of each bound queue: device and queue, descriptors under way, free completion records."""

    def add_compression_mode(self, name: str, literals: Sequence[int], distances: Sequence[int]) -> None:
        """Adds a way to compress, `deflate-iaa-NAME`: every stream brings its codes, so that any inflater reads it.

        Three modes at most: of `fixed`, `dynamic` and `canned` one must have been removed.

        Args:
            name: letters, digits and `_`, 32 at most.
            literals: the lengths of 286 codes of literals and lengths, 0 to 15; 0 for none.
            distances: the lengths of 30 codes of distances.

        Raises:
            OSError: EBUSY, a queue is bound; EINVAL, the name is taken, there is no room, or these are no codes.
        """

    def remove_compression_mode(self, name: str) -> None:
        """Takes one away; EBUSY while a queue is bound, EINVAL if there is none."""

    @property
    def compression_modes(self) -> list[str]: ...
    def global_stats(self) -> str: ...
    def wq_stats(self) -> str: ...
    def reset_stats(self) -> None: ...
    def totals(self) -> list[tuple[str, int]]: ...
    def tfm(self, name: str, parameters: dict[str, object] | None = None) -> IaaTfm:
        """A transform of a driver's name, `deflate-iaa`, with the settings that are in force now; ENOENT if none."""

@final
class IaaTfm:
    """One driver's transform, whose requests answer with Linux's numbers."""

    @property
    def sync_mode(self) -> str: ...
    @property
    def verify_compress(self) -> bool: ...
    def request(self, src: BytesLike, dst: BytesLike | None = None, *, compress: bool) -> IaaRequest:
        """One message; without `dst` space is found for it, and `submit` runs it to its end.

        Both are borrowed for as long as the request lives, and must not be changed while it is under way.
        """

@final
class IaaRequest:
    """One message under way. One thread at a time."""

    def submit(self) -> int:
        """0: done. -EINPROGRESS: to be polled. Else why not, negative."""

    def poll(self) -> int:
        """0: done. -EAGAIN: not yet. Else how it failed, negative."""

    @property
    def dlen(self) -> int: ...
    def result(self) -> Buffer:
        """Takes the result of one without a destination; UsageError if there is none."""

    def abandon(self) -> None:
        """Lets go of what is under way; the device does no harm any more."""

@final
class IdxdDevice:
    """A software model of an idxd analytics device (IAA). Any thread may use it; what waits lets go of the GIL.

    Disabled when made, all engines in group 0. `UsageError` refuses what would break it; the rules of a system's
    configuration are for its bus.

    Args:
        name, id: as the system calls it: `iax1`, 1.
        node: NUMA node; less than 0 if none.
        engines, groups, work_queues: how many of each, 1 to 64.
        max_work_queues_size: entries of all queues together.
        max_transfer: most bytes of one transfer.
        configurable, pasid_enabled, header_gen, block_on_fault: capability bits.
        state_len: bytes of a decompression's state: 1088 or 1248.
        max_mappings: buffers that may be mapped at once, 65536 at most.
        threads: threads that run it; with 0 only those who call `IdxdQueue.help`.
    """

    KNOBS: ClassVar[Sequence[str]]
    def __new__(
        cls,
        *,
        name: str = "iax1",
        id: int = 1,
        node: int = 0,
        engines: int = 8,
        groups: int = 4,
        work_queues: int = 8,
        max_work_queues_size: int = 128,
        max_transfer: int = ...,
        configurable: bool = True,
        pasid_enabled: bool = True,
        header_gen: bool = True,
        state_len: int = 1248,
        block_on_fault: bool = True,
        max_mappings: int = ...,
        threads: int = 1,
    ) -> IdxdDevice: ...
    @property
    def name(self) -> str: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def halted(self) -> bool:
        """Whether it died and says so."""

    def assign_engine(self, engine: int, group: int | None) -> None:
        """Puts an engine into a group or into none, while the device is disabled."""

    def enable(self) -> None:
        """Starts it, with no queues yet."""

    def disable(self) -> None:
        """Lets its queues finish, disables them and stops."""

    def reset(self) -> None:
        """Drops what is in flight, disables the queues and stops. Nothing of before is written after this returns."""

    def enable_queue(
        self,
        index: int,
        *,
        mode: str = "dedicated",
        size: int = 16,
        group: int = 0,
        priority: int = 10,
        threshold: int = 0,
        block_on_fault: bool = False,
        name: str = "iaa_crypto",
        max_transfer: int = 0,
        pasid: int = 0,
    ) -> IdxdQueue:
        """Makes a queue of a disabled one; `max_transfer` 0 is the device's own limit, `threshold` 0 the size."""

    def disable_queue(self, index: int, *, abort: bool = False) -> None:
        """Lets a queue finish, or drops what it has, and disables it. Nothing of it is written after this returns."""

    def tune(self, knob: str, value: float) -> None:
        """Turns a knob while it runs; 0 turns each off.

        `compress_ns`, `decompress_ns`, `other_ns`, `bytes_per_second`, `watchdog_ns`, `fault_ns`, `fault_timeout_ns`,
        `faults_stay`.
        """

    def inject(
        self, kind: str, *, chance: float = 1.0, count: int | None = None, status: int = 0x20, delay_ns: int = 0
    ) -> None:
        """Harms descriptors, each with that chance, `count` times at most.

        Kinds: `fail` (with `status`), `corrupt`, `lose`, `delay` (by `delay_ns`), `stick`.
        """

    def calm(self, seed: int = 0) -> None:
        """Ends all harm; the seed is for what is injected next."""

    def kill(self, how: str = "dropped") -> None:
        """Dies. Nothing is written after this returns, until it lives again.

        `dropped` forgets what is in flight, `held` does it after its revival, `silent`, too, and says nothing.
        """

    def revive(self) -> None:
        """Lives again, its queues as they were."""

    def set_present(self, address: int, present: bool) -> None:
        """Makes the mapping at an address fault, or no longer."""

    def take_error(self) -> dict[str, Any] | None:
        """The first error since the last call that no completion record could tell.

        `code`, `queue`, `opcode`, `address`, and whether others came after it, `overflowed`.
        """

    def statistics(self) -> dict[str, list[dict[str, Any]]]:
        """Counts since they were enabled.

        Of `queues`: `accepted`, `lost`, `retried`, `completed`, `aborted`, `waiting`, `in_flight`, `by_status`; of
        `engines`: `taken`, `busy_ns`.
        """

@final
class IdxdMapping:
    """A buffer that a device may reach, and that stays in place, until it is closed. A context manager.

    Attributes:
        address: what descriptors call it.
        nbytes: its length.
    """

    @property
    def address(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def close(self) -> None:
        """Unmaps it, when the device is not at it. Idempotent."""

    def __enter__(self) -> IdxdMapping: ...
    def __exit__(self, *_exc: object) -> None: ...

@final
class IdxdQueue:
    """An enabled work queue: a model's, or a real device's. Any thread may use it.

    Attributes:
        info: what it was enabled as, and what its device can do.
        interrupt: an eventfd that rings when a descriptor that asked for it completes; None if there is none. Owned by
            the queue.
        interrupt_handle: what such a descriptor says in `int_handle`.
        alive: False if its device halted, or if it was disabled.
    """

    @property
    def info(self) -> dict[str, Any]: ...
    @property
    def interrupt(self) -> int | None: ...
    @property
    def interrupt_handle(self) -> int: ...
    @property
    def alive(self) -> bool: ...
    def store(self, descriptor: BytesLike) -> None:
        """Stores 64 bytes into a dedicated queue. Nobody answers: what is beyond its size is lost."""

    def enqueue(self, descriptor: BytesLike) -> bool:
        """Stores 64 bytes into a shared queue; False if it is to be tried again."""

    @staticmethod
    def open(
        path: str,
        *,
        device: str,
        device_id: int,
        queue: str,
        queue_id: int,
        name: str,
        shared: bool,
        size: int,
        node: int,
        max_transfer: int,
        header_gen: bool,
        state_len: int,
    ) -> IdxdQueue:
        """A real queue: opens its character device and maps its portal. `OSError` if the kernel or the CPU refuses."""

    def first_light(self) -> str | None:
        """Tries a NOOP, and a page there and back: None, or what went wrong, in words. Takes 2 s at most for each."""

    def map(self, buffer: BytesLike, *, writable: bool = False) -> IdxdMapping:
        """Lets the device reach a buffer. If writable, leave it alone while a descriptor that names it is under way."""

    def help(self) -> bool:
        """Lends this thread to a model for one descriptor; False if there was nothing to do."""

@final
class Inflater:
    """An inflate stream call by call. Threads may share it; one call runs at a time."""

    def decompress(self, data: BytesLike, /, max_length: int = 0) -> bytes: ...
    def flush(self, length: int = 16384, /) -> bytes: ...
    def copy(self) -> Inflater: ...
    def __copy__(self) -> Inflater: ...
    def __deepcopy__(self, memo: Any, /) -> Inflater: ...
    def adecompress(self, data: BytesLike, /, max_length: int = 0) -> Awaitable[bytes]: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...

@final
class BufferingInflater:
    """An inflate stream that keeps the input which a limit left over. Threads may share it."""

    def __new__(cls, wbits: int = 15, zdict: BytesLike | None = None) -> BufferingInflater: ...
    def decompress(self, data: BytesLike, max_length: int = ...) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

def set_zlib_error(class_: type[BaseException], /) -> None: ...
def zlib_compress(data: BytesLike, /, level: int = ..., wbits: int = 15) -> bytes: ...
def zlib_decompress(data: BytesLike, /, wbits: int = 15, bufsize: int = 16384) -> bytes: ...
def zlib_compressobj(
    level: int = ...,
    method: int = 8,
    wbits: int = 15,
    memLevel: int = 8,
    strategy: int = 0,
    zdict: BytesLike | None = None,
) -> Deflater: ...
def zlib_decompressobj(wbits: int = 15, zdict: BytesLike | None = None) -> Inflater: ...
def zlib_crc32(data: BytesLike, value: int | None = None, /) -> int: ...
def zlib_crc32_combine(crc1: int, crc2: int, len2: int, /) -> int: ...
def adler32(data: BytesLike, value: int | None = None, /) -> int: ...
def adler32_combine(adler1: int, adler2: int, len2: int, /) -> int: ...
def zlib_version() -> str: ...
def set_errors(classes: dict[str, type[BaseException]]) -> None: ...
def build_info() -> dict[str, Any]: ...
def absent() -> list[tuple[str, str]]: ...
def algorithms() -> list[dict[str, Any]]: ...
def child_started() -> None: ...

# Synchronous one-shots.
def sha1(data: _Source) -> bytes: ...
def sha224(data: _Source) -> bytes: ...
def sha256(data: _Source) -> bytes: ...
def sha384(data: _Source) -> bytes: ...
def sha512(data: _Source) -> bytes: ...
def blake2b(data: _Source) -> bytes: ...
def blake3(data: _Source) -> bytes: ...
def crc32(data: _Source) -> bytes: ...
def crc32c(data: _Source) -> bytes: ...
def digest(name: str, data: _Source, **parameters: Any) -> bytes: ...
def mac(name: str, key: BytesLike, data: _Source, **parameters: Any) -> bytes: ...
def compress(name: str, data: _Source, **parameters: Any) -> Buffer: ...
def decompress(name: str, data: _Source, *, max_output: int | None = None) -> Buffer: ...
def encrypt(
    name: str, key: BytesLike, nonce: BytesLike, data: _Source, ad: _Source | None = None, **parameters: Any
) -> Buffer: ...
def decrypt(
    name: str, key: BytesLike, nonce: BytesLike, data: _Source, ad: _Source | None = None, **parameters: Any
) -> Buffer: ...
def sign(name: str, key: BytesLike, data: _Source, **parameters: Any) -> bytes: ...
def verify(name: str, key: BytesLike, tag: BytesLike, data: _Source, **parameters: Any) -> None: ...
def random(nbytes: int) -> bytes: ...
def generate_key(name: str, **parameters: Any) -> bytes: ...
def public_key(name: str, key: BytesLike) -> bytes: ...

# Keys out of keys, passphrases and text. Secrets are bytearrays, which their owner overwrites.
def agree(name: str, key: BytesLike, peer: BytesLike) -> bytearray: ...
def bech32_decode(text: str) -> tuple[str, bytearray]: ...
def bech32_encode(hrp: str, data: BytesLike) -> str: ...
def hkdf(hash: str, key: BytesLike, salt: BytesLike, info: BytesLike, length: int) -> bytearray: ...
def ipsec_mb() -> tuple[str | None, str]: ...
def random_key(nbytes: int) -> bytearray: ...
def scrypt(
    password: BytesLike, salt: BytesLike, n_log2: int, r: int, p: int, length: int, max_memory: int
) -> bytearray: ...
def unwrap_key(name: str, key: BytesLike, nonce: BytesLike, sealed: BytesLike) -> bytearray: ...
