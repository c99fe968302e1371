"""Digests and MACs: what the synchronous and the asynchronous form share (crypto/shash.c, crypto/ahash.c).

Engines take whole messages, so a state is the list of what was put in: it takes as much memory as the message. For
data larger than memory there is `acrypto.streams`. An exported state is a handle to such a list; the kernel keeps
the last 1024 of them, and no more than 256 MiB.
"""

from __future__ import annotations

from acrypto.kernel.context import current
from acrypto.kernel.errno import EINVAL, ENOKEY, ENOSYS, ErrPtr
from acrypto.kernel.lookup import find
from acrypto.kernel.tfm import CryptoTfm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Operation, Transform
    from acrypto.kernel.lookup import Found

    Hash = TypeVar("Hash", bound="CryptoHash")

#: Bytes of an exported state.
STATE_SIZE = 16
#: Checksums that the kernel gives with the lowest byte first.
LITTLE_ENDIAN = frozenset({"crc32c"})


class CryptoHash(CryptoTfm):
    """A digest or MAC, allocated.

    Attributes:
        digestsize: bytes of the result.
        keyed: whether it is a MAC, which needs a key.
    """

    def __init__(self, found: Found) -> None:
        super().__init__(found)
        self.keyed = self.kind == "mac"
        self.digestsize = int(found.params.get("digest_size", self.shape.digest))

    def setkey(self, key: BytesLike, keylen: int | None) -> int:
        """Sets the key; `-ENOSYS` for what takes none, `-EINVAL` for a length that it does not take."""
        self.check()
        if not self.keyed:
            return -ENOSYS
        view = memoryview(key).cast("B")
        if keylen is not None and not 0 <= keylen <= len(view):
            return -EINVAL
        return self.set(key=view[:keylen])

    def result(self, value: bytes) -> bytes:
        """A result as the kernel has it."""
        return value[::-1] if self.algorithm in LITTLE_ENDIAN else value


class HashState:
    """What was put in so far (struct shash_desc)."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] | None = None

    @property
    def ready(self) -> bool:
        """Whether it was begun, or imported, and not ended since."""
        return self._pieces is not None

    def begin(self, tfm: CryptoHash) -> int:
        """Starts a message."""
        if tfm.transform is None:
            return -ENOKEY
        self._pieces = []
        return 0

    def put(self, data: BytesLike) -> int:
        """Adds to the message."""
        if self._pieces is None:
            return -EINVAL
        self._pieces.append(bytes(data))
        return 0

    def take(self) -> list[bytes]:
        """The message; the state is ended."""
        pieces, self._pieces = self._pieces or [], None
        return pieces

    def export(self, tfm: CryptoHash, out: BytesLike) -> int:
        """Writes a handle to the state as it is now."""
        view = memoryview(out).cast("B")
        if self._pieces is None or len(view) < STATE_SIZE:
            return -EINVAL
        view[:STATE_SIZE] = tfm.kernel.export(tfm.name, tuple(self._pieces))
        return 0

    def restore(self, tfm: CryptoHash, data: BytesLike) -> int:
        """Goes back to a state that was exported by the same algorithm."""
        if tfm.transform is None:
            return -ENOKEY
        pieces = tfm.kernel.exported(tfm.name, bytes(memoryview(data).cast("B")[:STATE_SIZE]))
        if pieces is None:
            return -EINVAL
        self._pieces = list(pieces)
        return 0


def start(tfm: CryptoHash, transform: Transform, message: list[Any]) -> Operation[Any]:
    """Submits a whole message."""
    return transform.mac(message) if tfm.keyed else transform.digest(message)


def allocate(kind: type[Hash], alg_name: str, type: int, mask: int) -> Hash | ErrPtr:
    """A digest or MAC by name."""
    found = find(current(), alg_name, ("digest", "mac"), type, mask)
    if isinstance(found, int):
        return ErrPtr(found)
    tfm = kind(found)
    err = 0 if tfm.keyed else tfm.set()
    if not tfm.digestsize and not tfm.keyed and not err and tfm.transform is not None:
        tfm.digestsize = len(tfm.transform.digest(b"").wait())
    return ErrPtr(err) if err else tfm
