"""`Cache`: values by key in compressed memory, bounded in bytes, with a time to live; for threads and event loops."""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from acrypto.consumers.pagestore.names import compressor as by_name
from acrypto.model.errors import DeviceLost, EngineError, LimitExceeded, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterator
    from typing import TypeAlias, TypeVar

    from typing_extensions import Buffer as BytesLike

    from acrypto.layer.layer import Layer

    Key: TypeAlias = str | bytes | int
    T = TypeVar("T")

#: What an entry costs beside its key's and value's bytes: two objects' headers, the record, its place in the order.
OVERHEAD = 320
#: Shorter values are kept as they are: they hardly compress.
LEAST = 128


def _key_bytes(key: Key) -> int:
    """Bytes of memory that a key takes beside its header, which `OVERHEAD` has; an int of a word takes 8."""
    if isinstance(key, int):
        return max(8, int.__sizeof__(key) - int.__sizeof__(0))
    return str.__sizeof__(key) - str.__sizeof__("") if isinstance(key, str) else len(key)


class _Entry:
    """A value as it is kept."""

    __slots__ = ("cost", "data", "expires", "size")

    def __init__(self, data: bytes, size: int, cost: int, expires: float | None) -> None:
        self.data = data
        #: Bytes of the value if it is compressed, else -1.
        self.size = size
        self.cost = cost
        self.expires = expires


class CacheStatistics(NamedTuple):
    """What a cache counted since it was made, and holds now. A snapshot.

    Attributes:
        hits, misses: of look-ups; one that found an expired entry is a miss.
        sets, deletes: entries stored, and taken out by name.
        evictions: entries that had to go for others.
        expired: entries whose time was up, counted when that was noticed.
        computed: values that `get_or_set` had made.
        entries, used_bytes: what is there, with what it costs to keep it.
        value_bytes: of all values, uncompressed.
    """

    hits: int
    misses: int
    sets: int
    deletes: int
    evictions: int
    expired: int
    computed: int
    entries: int
    used_bytes: int
    value_bytes: int

    @property
    def hit_ratio(self) -> float:
        """Hits of all look-ups, 0 to 1."""
        return self.hits / max(1, self.hits + self.misses)

    @property
    def ratio(self) -> float:
        """Bytes of values for each byte of memory that they take."""
        return self.value_bytes / max(1, self.used_bytes)


class Cache:
    """An in-memory cache of compressed values.

    A mapping for threads (`cache[key] = value`, `cache[key]`, `del`, `in`, `len`), and `await cache.get(key)`, `set`,
    `get_or_set`, `delete` for event loops; both may be used at once, from any number of threads and loops. Values are
    bytes; they come back as `bytes`. What was used least recently goes first when `max_bytes` is reached, after what
    has expired.

    Args:
        layer: where compression runs; stays open for as long as the cache is used.
        max_bytes: of values as they are kept, keys and records.
        ttl: seconds that entries live unless `set` says otherwise; None for ever.
        max_value: the most bytes of one value, 0 or more; by default an eighth of `max_bytes`.
        compressor: by name, as `PageStore` takes it.
        level: of the compressor.
        clock: gives seconds that never go back; a test brings its own.

    Raises:
        UsageError: a setting is out of its range.
        UnknownAlgorithm, NoEngine: of the compressor.
    """

    def __init__(
        self,
        layer: Layer,
        *,
        max_bytes: int,
        ttl: float | None = None,
        max_value: int | None = None,
        compressor: str = "lz4",
        level: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_bytes < 1024:
            raise UsageError(f"max_bytes is {max_bytes}; it must be at least 1024")
        if max_value is not None and max_value < 0:
            raise UsageError(f"max_value is {max_value}; it must be at least 0")
        self.max_bytes = max_bytes
        self.max_value = max_bytes // 8 if max_value is None else max_value
        self.ttl = _checked_ttl(ttl)
        self._transform = by_name(layer, compressor, level=level, strategy=None, verify=False)
        self._clock = clock
        self._lock = Lock()
        #: The one used least recently first.
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._used = self._value_bytes = 0
        #: When entries expire; those that were replaced meanwhile are passed over.
        self._ends: list[tuple[float, int, Key]] = []
        #: Numbers of sets, and of the last one under way of each key: what is begun later wins.
        self._number = 0
        self._pending: dict[Key, int] = {}
        self._computing: dict[tuple[int, Key], asyncio.Task[bytes]] = {}
        self._hits = self._misses = self._sets = self._deletes = self._evictions = self._expired = self._computed = 0

    # ---- The face for event loops

    async def get(self, key: Key, default: T | None = None) -> bytes | T | None:
        """A value, or `default` if there is none or its time is up.

        Raises:
            EngineError: every device failed; the value is still there.
        """
        entry = self._look(key)
        if entry is None:
            return default
        if entry.size < 0:
            return entry.data
        return bytes(await self._transform.decompress(entry.data, max_output=entry.size))

    async def set(self, key: Key, value: BytesLike, *, ttl: float | None = None) -> None:
        """Stores a value, in place of what was there. `ttl` is in seconds; the cache's own if None.

        Raises:
            LimitExceeded: the value has over `max_value` bytes; nothing has changed.
            UsageError: the key is of another type, or `ttl` is not above 0.
        """
        number, data, size = self._begin(key, value, ttl)
        packed: bytes | None = None
        try:
            if size >= LEAST:
                packed = bytes(await self._transform.compress(data))
        except (EngineError, DeviceLost):
            pass  # kept as it is
        except BaseException:
            self._give_up(key, number)
            raise
        self._keep(key, number, data, size, packed, ttl)

    async def get_or_set(
        self, key: Key, make: Callable[[], Awaitable[BytesLike]], *, ttl: float | None = None
    ) -> bytes:
        """A value; if there is none it is made, once however many ask for it in this loop, and stored.

        Args:
            key: of the value.
            make: called without arguments; what it raises is raised to all who wait, and nothing is stored. It goes on
                if they are cancelled.
            ttl: as for `set`.
        """
        import asyncio

        found = await self.get(key)
        if found is not None:
            return found
        loop = asyncio.get_running_loop()
        name = (id(loop), key)
        task = self._computing.get(name)
        if task is None:
            task = loop.create_task(self._compute(key, make, ttl))
            self._computing[name] = task
            task.add_done_callback(lambda done: self._computed_one(name, done))
        return await asyncio.shield(task)

    async def _compute(self, key: Key, make: Callable[[], Awaitable[BytesLike]], ttl: float | None) -> bytes:
        value = bytes(await make())
        await self.set(key, value, ttl=ttl)
        self._computed += 1
        return value

    def _computed_one(self, name: tuple[int, Key], task: asyncio.Task[bytes]) -> None:
        self._computing.pop(name, None)
        if not task.cancelled():
            task.exception()  # told to those who wait; if nobody does any more it is nobody's

    async def delete(self, key: Key) -> bool:
        """Takes a value out; False if there was none."""
        return self._delete(key)

    # ---- The face for threads

    def __getitem__(self, key: Key) -> bytes:
        entry = self._look(key)
        if entry is None:
            raise KeyError(key)
        if entry.size < 0:
            return entry.data
        return bytes(self._transform.decompress(entry.data, max_output=entry.size, mode="inline").wait())

    def __setitem__(self, key: Key, value: BytesLike) -> None:
        number, data, size = self._begin(key, value, None)
        packed: bytes | None = None
        try:
            if size >= LEAST:
                packed = bytes(self._transform.compress(data, mode="inline").wait())
        except (EngineError, DeviceLost):
            pass  # kept as it is
        except BaseException:
            self._give_up(key, number)
            raise
        self._keep(key, number, data, size, packed, None)

    def __delitem__(self, key: Key) -> None:
        if not self._delete(key):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        """Whether there is a value whose time is not up; not counted, and no use."""
        with self._lock:
            entry = self._entries.get(key)  # type: ignore[call-overload] # any object may be asked for
            return entry is not None and not self._is_over(entry)

    def __len__(self) -> int:
        """Entries, after those whose time is up have gone."""
        self.expire()
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        """Keys as they are now, the one used least recently first."""
        self.expire()
        with self._lock:
            return iter(list(self._entries))

    def clear(self) -> None:
        """Forgets everything; counters stay."""
        with self._lock:
            self._entries.clear()
            self._ends.clear()
            self._pending.clear()
            self._used = self._value_bytes = 0

    def expire(self) -> int:
        """Drops every entry whose time is up; how many did. A full cache does so by itself."""
        with self._lock:
            return self._expire()

    @property
    def statistics(self) -> CacheStatistics:
        """What was counted, and what is there."""
        with self._lock:
            return CacheStatistics(
                self._hits,
                self._misses,
                self._sets,
                self._deletes,
                self._evictions,
                self._expired,
                self._computed,
                len(self._entries),
                self._used,
                self._value_bytes,
            )

    def __repr__(self) -> str:
        found = self.statistics
        return (
            f"<Cache: {found.entries} entries in {found.used_bytes} of {self.max_bytes} bytes, "
            f"{found.hit_ratio:.0%} hits>"
        )

    # ---- Inside; those without a lock are called with it

    def _is_over(self, entry: _Entry) -> bool:
        return entry.expires is not None and self._clock() >= entry.expires

    def _look(self, key: Key) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and self._is_over(entry):
                self._drop(key)
                self._expired += 1
                entry = None
            if entry is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return entry

    def _begin(self, key: Key, value: BytesLike, ttl: float | None) -> tuple[int, bytes, int]:
        if isinstance(key, bool) or not isinstance(key, (str, bytes, int)):
            raise UsageError(f"a key is a {type(key).__name__}; it must be str, bytes or int")
        _checked_ttl(ttl)
        size = memoryview(value).nbytes
        if size > self.max_value:
            raise LimitExceeded(f"a value of {size} bytes; at most {self.max_value} are kept", self.max_value)
        data = bytes(value)  # the caller may change theirs
        with self._lock:
            self._number += 1
            self._pending[key] = self._number
            return self._number, data, size

    def _give_up(self, key: Key, number: int) -> None:
        with self._lock:
            if self._pending.get(key) == number:
                del self._pending[key]

    def _keep(self, key: Key, number: int, data: bytes, size: int, packed: bytes | None, ttl: float | None) -> None:
        is_packed = packed is not None and len(packed) < size - size // 8
        kept = packed if packed is not None and is_packed else data
        cost = len(kept) + OVERHEAD + _key_bytes(key)
        ttl = self.ttl if ttl is None else ttl
        with self._lock:
            if self._pending.get(key) != number:
                return  # one that was begun later is there, or a deletion
            del self._pending[key]
            if key in self._entries:
                self._drop(key)
            if self._used + cost > self.max_bytes:
                self._expire()
            while self._entries and self._used + cost > self.max_bytes:
                self._drop(next(iter(self._entries)))
                self._evictions += 1
            self._sets += 1
            if cost > self.max_bytes:
                self._evictions += 1
                return  # with its key it has no room by itself
            expires = None if ttl is None else self._clock() + ttl
            self._entries[key] = _Entry(kept, size if is_packed else -1, cost, expires)
            self._used += cost
            self._value_bytes += size
            if expires is not None:
                heapq.heappush(self._ends, (expires, number, key))
                if len(self._ends) > 2 * len(self._entries) + 64:
                    self._renew_ends()

    def _renew_ends(self) -> None:
        # The numbers keep keys of different types from being compared; new ones come after all of these.
        ends = ((entry.expires, key) for key, entry in self._entries.items() if entry.expires is not None)
        self._ends = [(expires, at - len(self._entries), key) for at, (expires, key) in enumerate(ends)]
        heapq.heapify(self._ends)

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key)
        self._used -= entry.cost
        self._value_bytes -= len(entry.data) if entry.size < 0 else entry.size

    def _expire(self) -> int:
        now, count = self._clock(), 0
        while self._ends and self._ends[0][0] <= now:
            expires, _, key = heapq.heappop(self._ends)
            entry = self._entries.get(key)
            if entry is not None and entry.expires == expires:
                self._drop(key)
                count += 1
        self._expired += count
        return count

    def _delete(self, key: Key) -> bool:
        with self._lock:
            self._pending.pop(key, None)
            entry = self._entries.get(key)
            if entry is None:
                return False
            is_over = self._is_over(entry)
            self._drop(key)
            if is_over:
                self._expired += 1
            else:
                self._deletes += 1
            return not is_over


def _checked_ttl(ttl: float | None) -> float | None:
    if ttl is not None and not ttl > 0:
        raise UsageError(f"ttl is {ttl} seconds; it must be above 0")
    return ttl
