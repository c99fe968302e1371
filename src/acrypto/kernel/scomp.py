"""Runs synchronous compressors on lists of buffers: lengths, copies, scratch memory (crypto/scompress.c).

There is no allocator for these; `crypto_alloc_acomp` serves them.

The classic profile copies everything through the worker's two buffers of 128 KiB, which bounds both sides, and
allocates the destination where the request has none. The newer one works in place where a side is one piece, and uses
buffers of 4 KiB and 65400 bytes where it is not; a source in pieces that is larger gets a buffer of its own.
"""

from __future__ import annotations

from acrypto.kernel import scatterlist
from acrypto.kernel.errno import E2BIG, EFAULT, EINVAL, ENOSPC, EOVERFLOW
from acrypto.kernel.scatterlist import PAGE_SIZE, Scatterlist
from acrypto.kernel.scratch import SCOMP_SCRATCH_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from acrypto.kernel.scratch import Scratches, Worker

    #: Works on flat memory with a worker's means; gives the bytes written, or a negative errno.
    Codec: TypeAlias = Callable[[memoryview, memoryview, Worker | None], int]
    #: Return code, bytes written, and where.
    Outcome: TypeAlias = tuple[int, int, Scatterlist | None]

#: Ways to say that the result does not fit.
TOO_SMALL = frozenset({-ENOSPC, -EOVERFLOW, -E2BIG})
#: What the destination holds at most when it is allocated here (include/crypto/acompress.h).
CRYPTO_ACOMP_DST_MAX = SCOMP_SCRATCH_SIZE


def wrong(src: Scatterlist | None, slen: int, dst: Scatterlist | None, dlen: int) -> int:
    """0, or what is wrong with a request: lengths beyond the lists are `-EINVAL`, read-only results `-EFAULT`."""
    if src is None or slen <= 0 or slen > scatterlist.size(src):
        return -EINVAL
    if dst is not None:
        if dlen <= 0 or dlen > scatterlist.size(dst):
            return -EINVAL
        if not scatterlist.writable(dst):
            return -EFAULT
    return 0


def rooms(slen: int, dlen: int, compress: bool) -> list[int]:
    """The sizes to try for a destination that is allocated here, in whole pages (drivers/crypto/intel/iaa).

    Compression is given twice the source; decompression four times, doubled up to 128 KiB; unless the caller says.
    """
    if dlen:
        return [min(dlen, CRYPTO_ACOMP_DST_MAX)]
    room = -(-slen * (2 if compress else 4) // PAGE_SIZE) * PAGE_SIZE
    sizes = [min(room, CRYPTO_ACOMP_DST_MAX)]
    while not compress and sizes[-1] < CRYPTO_ACOMP_DST_MAX:
        sizes.append(min(2 * sizes[-1], CRYPTO_ACOMP_DST_MAX))
    return sizes


def classic(
    scratches: Scratches, codec: Codec, src: Scatterlist | None, slen: int, dst: Scatterlist | None, dlen: int,
    compress: bool,
) -> Outcome:  # fmt: skip
    """One request as until Linux 6.13."""
    err = wrong(src, slen, dst, dlen)
    if err or src is None or slen > SCOMP_SCRATCH_SIZE:
        return err or -EINVAL, dlen, dst
    with scratches.borrowed() as worker:
        done = 0
        for view in scatterlist.windows(src, slen):
            worker.src[done : done + len(view)] = view
            done += len(view)
        for room in [min(dlen, SCOMP_SCRATCH_SIZE)] if dst is not None else rooms(slen, dlen, compress):
            written = _within(codec(worker.src[:slen].toreadonly(), worker.dst[:room], worker), room)
            if written not in TOO_SMALL:
                break
        if written < 0:
            return written, dlen, dst
        if dst is None:
            dst = scatterlist.sgl_alloc(written)
        scatterlist.scatter(dst, worker.dst[:written])
    return 0, written, dst


def modern(
    scratches: Scratches, codec: Codec, src: Scatterlist | None, slen: int, dst: Scatterlist | None, dlen: int,
    *, owned: bool,
) -> Outcome:  # fmt: skip
    """One request as since Linux 6.15.

    `owned` tells that the codec has means of a worker's own, so that it must have one.
    """
    err = wrong(src, slen, dst, dlen)
    if err or src is None or dst is None:
        return err or -EINVAL, dlen, dst
    sources, results = scatterlist.windows(src, slen), scatterlist.windows(dst, dlen)
    if len(sources) == len(results) == 1 and not owned:
        written = _within(codec(sources[0].toreadonly(), results[0], None), dlen)
        return min(written, 0), written if written >= 0 else dlen, dst
    with scratches.borrowed() as worker:
        source = sources[0] if len(sources) == 1 else worker.src[:slen]
        if len(sources) > 1 and slen <= len(worker.src):
            done = 0
            for view in sources:
                source[done : done + len(view)] = view
                done += len(view)
        elif len(sources) > 1:
            source = memoryview(b"".join(sources))
        result = results[0] if len(results) == 1 else worker.dst[:dlen]
        written = _within(codec(source.toreadonly(), result, worker), len(result))
        if written < 0:
            return written, dlen, dst
        if len(results) > 1:
            scatterlist.scatter(dst, result[:written])
    return 0, written, dst


def _within(written: int, room: int) -> int:
    # What says that it wrote more than it was given room for has not written it: the view ends before.
    return written if written <= room else -ENOSPC
