"""Random number generators (crypto/rng.c, include/crypto/rng.h)."""

from __future__ import annotations

from acrypto.kernel import dispatch
from acrypto.kernel.context import current
from acrypto.kernel.errno import EINVAL, ErrPtr
from acrypto.kernel.lookup import find
from acrypto.kernel.tfm import CryptoTfm
from acrypto.model.settings import MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike


class CryptoRng(CryptoTfm):
    """A generator (struct crypto_rng). Seeded by the system; nothing that is put in can make it weaker."""


def crypto_alloc_rng(alg_name: str, type: int = 0, mask: int = 0) -> CryptoRng | ErrPtr:
    """A generator by name, `stdrng` for the best; on failure an `ErrPtr`."""
    found = find(current(), alg_name, ("random",), type, mask)
    return ErrPtr(found) if isinstance(found, int) else CryptoRng(found)


def crypto_free_rng(tfm: CryptoRng | ErrPtr | None) -> None:
    """Frees a generator. Of None or an `ErrPtr` there is nothing to free."""
    if not isinstance(tfm, ErrPtr | None):
        tfm.free()


def crypto_rng_alg_name(tfm: CryptoRng) -> str:
    """The algorithm's name."""
    tfm.check()
    return tfm.name


def crypto_rng_seedsize(tfm: CryptoRng) -> int:
    """Bytes of a seed that `crypto_rng_reset` must be given: 0, as it takes its own from the system."""
    tfm.check()
    return tfm.shape.seed


def crypto_rng_reset(tfm: CryptoRng, seed: BytesLike | None = None, slen: int = 0) -> int:
    """Reseeds. The seed comes from the system; one that is given is checked for its length and not used."""
    tfm.check()
    held = memoryview(seed).nbytes if seed is not None else 0
    return 0 if 0 <= slen <= max(held, slen if seed is None else 0) else -EINVAL


def crypto_rng_generate(tfm: CryptoRng, src: BytesLike | None, slen: int, dst: BytesLike, dlen: int) -> int:
    """Writes `dlen` random bytes. Additional input (`src`) is checked for its length and not used."""
    tfm.check()
    view = memoryview(dst).cast("B")
    held = memoryview(src).nbytes if src is not None else 0
    if view.readonly or not 0 <= dlen <= len(view) or not 0 <= slen <= held:
        return -EINVAL
    for at in range(0, dlen, MIB):
        err = _fill(tfm, view[at : min(at + MIB, dlen)])
        if err:
            return err
    return 0


def crypto_rng_get_bytes(tfm: CryptoRng, rdata: BytesLike, dlen: int) -> int:
    """Writes `dlen` random bytes."""
    return crypto_rng_generate(tfm, None, 0, rdata, dlen)


def _fill(tfm: CryptoRng, part: memoryview) -> int:
    def finish(got: bytes) -> int:
        part[:] = got
        return 0

    return dispatch.run(lambda: tfm.kernel.layer.random(len(part), device=tfm.device), finish)
