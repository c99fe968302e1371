"""Lists of buffers that are one message (include/linux/scatterlist.h).

An `Entry` is a window on a buffer of yours: any object with the buffer protocol, a writable one where a result goes. A
`Scatterlist` is a table of entries. Entries may be of any length, 0 and 1 included. Where the face takes a scatterlist
it also takes one entry, a list or tuple of buffers, or one buffer.
"""

from __future__ import annotations

from acrypto.kernel.errno import EINVAL
from acrypto.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    from typing_extensions import Buffer as BytesLike

    Segments: TypeAlias = "Scatterlist | Entry | list[BytesLike] | tuple[BytesLike, ...] | BytesLike"

#: The unit in which the kernel, and so this face, allocates memory.
PAGE_SIZE = 4096


class Entry:
    """One window on a buffer.

    Attributes:
        offset, length: where it lies. A batch (`acomp_request_set_unit_size`) leaves the size of each result, or a
            negative errno, in `length`.
        last: whether the list ends here, whatever follows in its table.
    """

    __slots__ = ("_view", "last", "length", "offset")

    def __init__(self) -> None:
        self._view = memoryview(b"")
        self.offset = self.length = 0
        self.last = False

    @property
    def memory(self) -> memoryview:
        """The bytes of the window."""
        return self._view[self.offset : self.offset + max(self.length, 0)]

    def __repr__(self) -> str:
        return f"<Entry: {self.length} bytes at {self.offset}{', last' if self.last else ''}>"


class Scatterlist:
    """A table of entries, as `struct scatterlist sg[nents]`; the last one is marked."""

    __slots__ = ("_entries",)

    def __init__(self, nents: int) -> None:
        self._entries: list[Entry] = []
        sg_init_table(self, nents)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            yield entry
            if entry.last:
                return

    def __repr__(self) -> str:
        return f"<Scatterlist of {sg_nents(self)} entries, {sum(entry.length for entry in self)} bytes>"


def sg_init_table(sg: Scatterlist, nents: int) -> None:
    """Makes the table anew, with empty entries."""
    if nents < 1:
        raise UsageError(f"a scatterlist of {nents} entries; it must have at least 1")
    sg._entries = [Entry() for _ in range(nents)]
    sg._entries[-1].last = True


def sg_set_buf(entry: Entry, buf: BytesLike, buflen: int | None = None) -> None:
    """Points one entry at a buffer, or at its first `buflen` bytes."""
    view = memoryview(buf).cast("B") if memoryview(buf).nbytes else memoryview(b"")
    if buflen is None:
        buflen = view.nbytes
    if not 0 <= buflen <= view.nbytes:
        raise UsageError(f"an entry of {buflen} bytes on a buffer of {view.nbytes}")
    entry._view, entry.offset, entry.length = view, 0, buflen


def sg_init_one(sg: Scatterlist, buf: BytesLike, buflen: int | None = None) -> None:
    """Makes the table one entry long, on this buffer."""
    sg_init_table(sg, 1)
    sg_set_buf(sg[0], buf, buflen)


def sg_mark_end(entry: Entry) -> None:
    """Ends the list at this entry."""
    entry.last = True


def sg_unmark_end(entry: Entry) -> None:
    """Lets the list go on after this entry."""
    entry.last = False


def sg_last(sg: Scatterlist) -> Entry:
    """The entry that ends the list."""
    return list(sg)[-1]


def sg_nents(sg: Scatterlist) -> int:
    """How many entries the list has, up to its end mark."""
    return sum(1 for _ in sg)


def sg_nents_for_len(sg: Scatterlist, length: int) -> int:
    """How many entries hold this many bytes, or `-EINVAL` if all of them do not (lib/scatterlist.c)."""
    held = 0
    for count, entry in enumerate(sg, 1):
        held += entry.length
        if held >= length:
            return count if length else 0
    return -EINVAL


def windows(sg: Scatterlist, length: int, skip: int = 0) -> list[memoryview]:
    """Up to `length` bytes of the list after the first `skip`, as views without copying; empty ones left out."""
    found = []
    for entry in sg:
        if length <= 0:
            break
        view = entry.memory
        if skip >= len(view):
            skip -= len(view)
            continue
        view = view[skip : skip + length]
        skip = 0
        length -= len(view)
        found.append(view)
    return found


def _limited(sg: Scatterlist, nents: int) -> Scatterlist:
    entries = list(sg)[:nents]
    limited = Scatterlist(max(len(entries), 1))
    for place, entry in enumerate(entries):
        limited[place]._view, limited[place].offset, limited[place].length = entry._view, entry.offset, entry.length
    return limited


def sg_pcopy_to_buffer(sg: Scatterlist, nents: int, buf: BytesLike, buflen: int, skip: int) -> int:
    """Copies bytes of the list, after the first `skip`, to a buffer; gives how many."""
    target, done = memoryview(buf).cast("B"), 0
    for view in windows(_limited(sg, nents), buflen, skip):
        target[done : done + len(view)] = view
        done += len(view)
    return done


def sg_copy_to_buffer(sg: Scatterlist, nents: int, buf: BytesLike, buflen: int) -> int:
    """Copies the list to a buffer; gives how many bytes."""
    return sg_pcopy_to_buffer(sg, nents, buf, buflen, 0)


def sg_pcopy_from_buffer(sg: Scatterlist, nents: int, buf: BytesLike, buflen: int, skip: int) -> int:
    """Copies a buffer into the list, after its first `skip` bytes; gives how many."""
    return scatter(_limited(sg, nents), memoryview(buf).cast("B")[:buflen], skip)


def sg_copy_from_buffer(sg: Scatterlist, nents: int, buf: BytesLike, buflen: int) -> int:
    """Copies a buffer into the list; gives how many bytes."""
    return sg_pcopy_from_buffer(sg, nents, buf, buflen, 0)


def sg_zero_buffer(sg: Scatterlist, nents: int, buflen: int, skip: int) -> int:
    """Zeroes bytes of the list; gives how many."""
    return scatter(_limited(sg, nents), memoryview(bytes(buflen)), skip)


def scatter(sg: Scatterlist, data: memoryview, skip: int = 0) -> int:
    """Copies what fits into the list, after its first `skip` bytes; gives how many bytes."""
    done = 0
    for view in windows(sg, len(data), skip):
        view[:] = data[done : done + len(view)]
        done += len(view)
    return done


def gather(sg: Scatterlist, length: int, skip: int = 0) -> bytes:
    """Bytes of the list in one piece."""
    return b"".join(windows(sg, length, skip))


def size(sg: Scatterlist) -> int:
    """How many bytes the list holds."""
    return sum(max(entry.length, 0) for entry in sg)


def writable(sg: Scatterlist) -> bool:
    """Whether results may be put into every entry that has room."""
    return not any(entry._view.readonly for entry in sg if entry.length)


def sgl_alloc(length: int) -> Scatterlist:
    """New memory for this many bytes, in entries of a page (lib/scatterlist.c)."""
    sg = Scatterlist(max(1, -(-length // PAGE_SIZE)))
    for entry in sg:
        sg_set_buf(entry, bytearray(min(length, PAGE_SIZE)))
        length -= entry.length
    return sg


def sgl_free(sg: Scatterlist) -> None:
    """Lets go of the memory of such a list."""
    sg_init_table(sg, 1)


def as_scatterlist(given: Segments | None) -> Scatterlist | None:
    """Whatever stands for a list of buffers, as one."""
    if given is None or isinstance(given, Scatterlist):
        return given
    if isinstance(given, Entry):
        one = Scatterlist(1)
        one._entries = [given]
        if not given.last:
            raise UsageError("the entry is not the end of its list: give the list, or mark the end")
        return one
    pieces = list(given) if isinstance(given, (list, tuple)) else [given]
    sg = Scatterlist(max(len(pieces), 1))
    for entry, piece in zip(sg, pieces, strict=False):
        sg_set_buf(entry, piece)
    return sg
