"""Requests of several units, each with a result or an error of its own (covers of the iaa_crypto batching series)."""

from __future__ import annotations

from acrypto.kernel import scatterlist
from acrypto.kernel.acomp_tfm import MAX_BATCH_SIZE
from acrypto.kernel.errno import ENOSPC
from acrypto.kernel.scatterlist import Entry, Scatterlist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto._core import Batch, Operation, Transform
    from acrypto.kernel.acomp_request import AcompReq


class Unit:
    """One unit: its source, and the entry of the destination that is its own."""

    __slots__ = ("dlen", "dst", "entry", "slen", "src")

    def __init__(self, source: memoryview, entry: Entry) -> None:
        self.src, self.dst = Scatterlist(1), Scatterlist(1)
        scatterlist.sg_set_buf(self.src[0], source)
        scatterlist.sg_set_buf(self.dst[0], entry.memory)
        self.slen, self.dlen, self.entry = len(source), entry.length, entry


def units(req: AcompReq, compress: bool) -> list[Unit] | None:
    """The units of a request; None if it cannot be cut so.

    The source of a compression is cut every `unit_size` bytes. Compressed units differ in size: a decompression has
    an entry of the source for each, none of which gives more than `unit_size` bytes.
    """
    if req.src is None or req.dst is None or req.unit_size < 0:
        return None
    entries = list(req.dst)
    if compress:
        count, rest = divmod(req.slen, req.unit_size)
        if rest or req.slen > scatterlist.size(req.src):
            return None
        whole = scatterlist.gather(req.src, req.slen) if scatterlist.sg_nents(req.src) > 1 else req.src[0].memory
        sources = [memoryview(whole)[at * req.unit_size : (at + 1) * req.unit_size] for at in range(count)]
    else:
        sources = [entry.memory for entry in req.src]
        if sum(map(len, sources)) != req.slen:
            return None
    if not 0 < len(sources) == len(entries) <= MAX_BATCH_SIZE or not scatterlist.writable(req.dst):
        return None
    if any(entry.length <= 0 for entry in entries):
        return None
    return [Unit(source, entry) for source, entry in zip(sources, entries, strict=True)]


def start(transform: Transform, units: list[Unit], compress: bool) -> Operation[Batch]:
    """All units as one submission, with a slot for each that holds what the largest entry does."""
    sources = [unit.src[0].memory for unit in units]
    work = transform.compress_many if compress else transform.decompress_many
    return work(sources, slot=max(unit.dlen for unit in units), return_exceptions=True)


def finish(req: AcompReq, units: list[Unit], batch: Batch) -> int:
    """Puts each result where it belongs; what failed has its number already."""
    for index, (unit, length) in enumerate(zip(units, batch.lengths, strict=True)):
        if length > unit.dlen:
            unit.entry.length = -ENOSPC
            continue
        if length >= 0:
            unit.dst[0].memory[:length] = batch[index]
        unit.entry.length = length
    return settled(req)


def settled(req: AcompReq) -> int:
    """The request as a whole: done, and `dlen` is the first unit's length."""
    if req.dst is not None:
        req.dlen = req.dst[0].length
    return 0
