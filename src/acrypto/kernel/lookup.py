"""Finding the implementation that an allocation gets, and why there is none (crypto/api.c)."""

from __future__ import annotations

from acrypto.kernel.algs import (
    CRYPTO_ALG_ASYNC,
    CRYPTO_ALG_TYPE_ACOMPRESS,
    CRYPTO_ALG_TYPE_AEAD,
    CRYPTO_ALG_TYPE_AHASH,
    CRYPTO_ALG_TYPE_AKCIPHER,
    CRYPTO_ALG_TYPE_COMPRESS,
    CRYPTO_ALG_TYPE_MASK,
    CRYPTO_ALG_TYPE_RNG,
    CRYPTO_ALG_TYPE_SCOMPRESS,
    CRYPTO_ALG_TYPE_SHASH,
    CRYPTO_ALG_TYPE_SKCIPHER,
    CRYPTO_MAX_ALG_NAME,
)
from acrypto.kernel.context import current
from acrypto.kernel.errno import EAGAIN, EINVAL, ELIBBAD, ENAMETOOLONG, ENOENT, ETIMEDOUT, errno_of
from acrypto.model.errors import AcryptoError, DeadlineExceeded, EngineError, NoEngine, UnknownAlgorithm, UsageError
from acrypto.model.names import parse
from acrypto.model.shapes import Shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from acrypto.kernel.context import Kernel

_type = type  # which the kernel's calls take for the name of an argument

#: The kernel's name for an algorithm, ours, and what must be set to make ours the same.
ALIASES: dict[str, tuple[str, dict[str, Any]]] = {
    "lz4": ("lz4-block", {}),
    "lz4hc": ("lz4-block", {"level": 9}),
    "zlib-deflate": ("zlib", {}),
    "stdrng": ("drbg", {}),
}
ALIASES |= {f"blake2b-{bits}": ("blake2b", {"digest_size": bits // 8}) for bits in (160, 256, 384, 512)}
ALIASES |= {
    f"pkcs1pad(rsa,{name})": ("rsa", {"hash": name, "padding": "pkcs1"}) for name in ("sha256", "sha384", "sha512")
}
#: Aliases that somebody may also have registered as they stand, which is then preferred.
ALSO_LITERAL = frozenset({"lz4hc"})
#: Names that mean something else here than in the kernel, whose crc32 starts at 0 and does not invert.
NOT_THE_SAME = frozenset({"crc32"})
#: What the kernel sets where we would choose otherwise (crypto/deflate.c, crypto/zstd.c).
DEFAULTS: dict[str, dict[str, Any]] = {
    "deflate": {"level": 6, "window": 11},
    "zlib": {"level": 3},
    "zstd": {"level": 3},
}
KINDS: dict[int, tuple[str, ...]] = {
    CRYPTO_ALG_TYPE_COMPRESS: ("compression",),
    CRYPTO_ALG_TYPE_ACOMPRESS: ("compression",),
    CRYPTO_ALG_TYPE_SCOMPRESS: ("compression",),
    CRYPTO_ALG_TYPE_AEAD: ("aead",),
    CRYPTO_ALG_TYPE_SKCIPHER: ("cipher",),
    CRYPTO_ALG_TYPE_RNG: ("random",),
    CRYPTO_ALG_TYPE_AKCIPHER: ("signature",),
    CRYPTO_ALG_TYPE_SHASH: ("digest", "mac"),
    CRYPTO_ALG_TYPE_AHASH: ("digest", "mac"),
}


class Found:
    """What an allocation gets.

    Attributes:
        name: the algorithm's name as the kernel has it.
        algorithm, driver, device, kind, priority, asynchronous, shape: the offer's.
        params: what its transforms must be made with, as part of what the name means.
        wishes: what the kernel sets besides; an engine that knows no such parameter does without.
    """

    __slots__ = (
        "algorithm",
        "asynchronous",
        "device",
        "driver",
        "kind",
        "name",
        "params",
        "priority",
        "shape",
        "wishes",
    )

    def __init__(
        self, name: str, algorithm: str, driver: str, *, kind: str, priority: int, asynchronous: bool,
        device: str = "", shape: Shape | None = None, params: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.algorithm = algorithm
        self.driver = driver
        self.kind = kind
        self.priority = priority
        self.asynchronous = asynchronous
        self.device = device
        self.shape = shape or Shape()
        self.params = params or {}
        self.wishes = DEFAULTS.get(algorithm, {})


def ours(name: str) -> str:
    """Our name for an algorithm that is registered under the kernel's."""
    return name if name in ALSO_LITERAL else ALIASES.get(name, (name, {}))[0]


def find(kernel: Kernel, name: str, kinds: tuple[str, ...], type: int, mask: int) -> Found | int:
    """The implementation that a name stands for: of that driver name, else the strongest of that algorithm.

    Args:
        kernel: where to look.
        name: of an algorithm or a driver.
        kinds: what it may be.
        type: with `CRYPTO_ALG_ASYNC`, if `mask` has that too: asynchronous ones only.
        mask: with `CRYPTO_ALG_ASYNC`: that bit of `type` must hold.

    Returns a negative errno if there is none: `-ENOENT` (not known, or not here), `-ELIBBAD` (failed its self-test),
    `-ETIMEDOUT` (did not end it in 60 seconds), `-EAGAIN` (appeared and went), `-EINVAL` (parts that cannot be combined
    so), `-ENAMETOOLONG`.
    """
    check_name(name)
    if len(name) > CRYPTO_MAX_ALG_NAME:
        return -ENAMETOOLONG
    try:
        parse(name)
    except UsageError:
        return -ENOENT  # nothing can have such a name
    asynchronous = bool(type & CRYPTO_ALG_ASYNC) if mask & CRYPTO_ALG_ASYNC else None
    err = -ENOENT
    for wanted, params in _tries(name):
        try:
            row = kernel.layer.find(wanted, kind=kinds[0] if len(kinds) == 1 else None, asynchronous=asynchronous)
        except DeadlineExceeded:
            return -ETIMEDOUT
        except (UnknownAlgorithm, NoEngine):
            if _failed(kernel, wanted):
                err = -ELIBBAD
        except EngineError:
            return -EAGAIN
        except UsageError:
            return -EINVAL
        except AcryptoError as error:
            return errno_of(error)
        else:
            if row.kind in kinds and (kernel.layer.settings.allow_insecure or not row.insecure):
                return Found(
                    row.algorithm if wanted == row.driver else name, row.algorithm, row.driver, kind=row.kind,
                    priority=row.priority, asynchronous=row.asynchronous, device=row.device, shape=row.shape,
                    params=params,
                )  # fmt: skip
    return err


def check_name(name: object) -> None:
    """Raises a clear error if a name is no text: in C it could be nothing else."""
    if not isinstance(name, str):
        raise UsageError(f"a name is text, and not {_type(name).__name__}")


def _tries(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if name in NOT_THE_SAME:
        return
    if name in ALSO_LITERAL or name not in ALIASES:
        yield name, {}
    if name in ALIASES:
        yield ALIASES[name]


def _failed(kernel: Kernel, name: str) -> bool:
    return any(row.selftest == "failed" and name in {row.algorithm, row.driver} for row in kernel.layer.offers())


def crypto_has_alg(name: str, type: int = 0, mask: int = 0) -> int:
    """1 if an allocation of this name and type would succeed, else 0."""
    kinds = KINDS.get(type & CRYPTO_ALG_TYPE_MASK) or tuple(kind for row in KINDS.values() for kind in row)
    kernel = current()
    legacy = [
        row
        for row in kernel.legacy_rows()
        if row.selftest == "passed" and name in {row.driver, kernel.comps[row.driver].cra_name}
    ]
    if legacy and "compression" in kinds and type & CRYPTO_ALG_TYPE_MASK in {0, CRYPTO_ALG_TYPE_COMPRESS}:
        return 1
    return int(not isinstance(find(kernel, name, kinds, type, mask), int))


def crypto_has_acomp(name: str, type: int = 0, mask: int = 0) -> int:
    """1 if `crypto_alloc_acomp` would find this name, else 0."""
    return crypto_has_alg(name, type & ~CRYPTO_ALG_TYPE_MASK | CRYPTO_ALG_TYPE_ACOMPRESS, mask)


def crypto_has_aead(name: str, type: int = 0, mask: int = 0) -> int:
    """1 if `crypto_alloc_aead` would find this name, else 0."""
    return crypto_has_alg(name, type & ~CRYPTO_ALG_TYPE_MASK | CRYPTO_ALG_TYPE_AEAD, mask)


def crypto_has_skcipher(name: str, type: int = 0, mask: int = 0) -> int:
    """1 if `crypto_alloc_skcipher` would find this name, else 0."""
    return crypto_has_alg(name, type & ~CRYPTO_ALG_TYPE_MASK | CRYPTO_ALG_TYPE_SKCIPHER, mask)


def crypto_has_ahash(name: str, type: int = 0, mask: int = 0) -> int:
    """1 if `crypto_alloc_ahash` would find this name, else 0."""
    return crypto_has_alg(name, type & ~CRYPTO_ALG_TYPE_MASK | CRYPTO_ALG_TYPE_AHASH, mask)
