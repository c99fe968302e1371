"""The sizes of algorithms: blocks, digests, keys, nonces, tags. Known by name; composed by rule from the parts' sizes.

They are facts about the algorithm, not about who does it: what `/proc/crypto` prints, what a self-test makes its keys
and messages by, and what one template needs to know of another.
"""

from __future__ import annotations

from acrypto.model.names import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from acrypto.model.names import Name


class Shape:
    """Sizes in bytes; 0 where the algorithm has no such thing. False if it has nothing at all, as a compressor.

    Args:
        block: a hash's or cipher's block; 1 for what works byte by byte.
        digest: a digest or MAC, whole.
        min_key: the shortest key.
        max_key: the longest key; where any length is taken, the one past which more bytes add nothing.
        nonce: the IV, or nonce; the longest where one may choose.
        tag: the longest authentication tag.
        seed: of a random number generator that must be seeded.
    """

    __slots__ = ("block", "digest", "max_key", "min_key", "nonce", "seed", "tag")

    def __init__(
        self,
        *,
        block: int = 0,
        digest: int = 0,
        min_key: int = 0,
        max_key: int = 0,
        nonce: int = 0,
        tag: int = 0,
        seed: int = 0,
    ) -> None:
        self.block = block
        self.digest = digest
        self.min_key = min_key
        self.max_key = max_key
        self.nonce = nonce
        self.tag = tag
        self.seed = seed

    def but(self, **sizes: int) -> Shape:
        """The same, but for some sizes."""
        return Shape(**(self.as_dict() | sizes))

    def as_dict(self) -> dict[str, int]:
        """The sizes as plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __bool__(self) -> bool:
        return any(self.as_dict().values())

    def __eq__(self, other: object) -> bool:
        return self.as_dict() == other.as_dict() if isinstance(other, Shape) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.as_dict().values()))

    def __repr__(self) -> str:
        return "Shape(" + ", ".join(f"{name}={size}" for name, size in self.as_dict().items() if size) + ")"


def shape_of(name: str) -> Shape:
    """The sizes of the algorithm of that name; all 0 if it, or a part of it, is not known here.

    Raises:
        UsageError: that is no name.
    """
    return BASES.get(name) or _composed(parse(name))


def _composed(name: Name) -> Shape:
    known = BASES.get(str(name))
    if known is not None:
        return known
    rule = RULES.get((name.base, len(name.args)))
    parts = [_composed(arg) for arg in name.args]
    return rule(*parts) if rule is not None and all(parts) else Shape()


# ---- Single algorithms


def _hash(block: int, digest: int) -> Shape:
    return Shape(block=block, digest=digest)


def _cipher(block: int, min_key: int, max_key: int, nonce: int = 0) -> Shape:
    return Shape(block=block, min_key=min_key, max_key=max_key, nonce=nonce)


BASES: dict[str, Shape] = {
    "md4": _hash(64, 16),
    "md5": _hash(64, 16),
    "sha1": _hash(64, 20),
    "sha224": _hash(64, 28),
    "sha256": _hash(64, 32),
    "sha384": _hash(128, 48),
    "sha512": _hash(128, 64),
    "sha3-224": _hash(144, 28),
    "sha3-256": _hash(136, 32),
    "sha3-384": _hash(104, 48),
    "sha3-512": _hash(72, 64),
    "blake2b": _hash(128, 64),
    "blake2b-160": _hash(128, 20),
    "blake2b-256": _hash(128, 32),
    "blake2b-384": _hash(128, 48),
    "blake2b-512": _hash(128, 64),
    "blake3": _hash(64, 32),
    "rmd160": _hash(64, 20),
    "sm3": _hash(64, 32),
    "streebog256": _hash(64, 32),
    "streebog512": _hash(64, 64),
    "wp512": _hash(64, 64),
    "crc32": _hash(1, 4),
    "crc32c": _hash(1, 4),
    "xxhash64": _hash(32, 8),
    "digest_null": _hash(1, 0),
    "ghash": _hash(16, 16).but(min_key=16, max_key=16),
    "poly1305": _hash(16, 16).but(min_key=32, max_key=32),
    "aes": _cipher(16, 16, 32),
    "aria": _cipher(16, 16, 32),
    "camellia": _cipher(16, 16, 32),
    "twofish": _cipher(16, 16, 32),
    "serpent": _cipher(16, 0, 32),
    "sm4": _cipher(16, 16, 16),
    "cast5": _cipher(8, 5, 16),
    "cast6": _cipher(16, 16, 32),
    "blowfish": _cipher(8, 4, 56),
    "des": _cipher(8, 8, 8),
    "des3_ede": _cipher(8, 24, 24),
    "cipher_null": _cipher(1, 0, 0),
    "chacha20": _cipher(1, 32, 32, 16),
    "xchacha20": _cipher(1, 32, 32, 32),
    "xchacha12": _cipher(1, 32, 32, 32),
    "chacha20-poly1305": _cipher(1, 32, 32, 12).but(tag=16),
    "ansi_cprng": Shape(seed=48),
}


# ---- Rules: what a template makes of its parts. The number of parts belongs to its name.


def _stream(part: Shape) -> Shape:
    return part.but(block=1, nonce=part.block)


def _chained(part: Shape) -> Shape:
    return part.but(nonce=part.block)


def _twice(part: Shape) -> Shape:
    return part.but(nonce=part.block, min_key=2 * part.min_key, max_key=2 * part.max_key)


def _tweaked(part: Shape) -> Shape:
    return part.but(nonce=part.block, min_key=part.min_key + part.block, max_key=part.max_key + part.block)


def _hmac(part: Shape) -> Shape:
    # A checksum works byte by byte and has no block to pad a key to.
    return part.but(min_key=0, max_key=part.block) if 0 < part.digest <= part.block else Shape()


def _cmac(part: Shape) -> Shape:
    return part.but(digest=part.block)


def _gcm(part: Shape) -> Shape:
    return part.but(block=1, nonce=12, tag=16)


def _ccm(part: Shape) -> Shape:
    # The nonce itself. The kernel counts the block that begins with it, of which the caller fills 8 to 14 bytes.
    return part.but(block=1, nonce=13, tag=16)


#: struct rtattr (4 bytes) and the length of the cipher's key (4 bytes) in front of the two keys of authenc.
KEY_HEADER = 8


def _authenc(mac: Shape, cipher: Shape) -> Shape:
    return cipher.but(
        tag=mac.digest,
        min_key=KEY_HEADER + mac.min_key + cipher.min_key,
        max_key=KEY_HEADER + mac.max_key + cipher.max_key,
    )


def _salted(part: Shape, salt: int) -> Shape:
    return part.but(block=1, nonce=8, tag=16, min_key=part.min_key + salt, max_key=part.max_key + salt)


def _poly1305(cipher: Shape, _mac: Shape) -> Shape:
    return Shape(block=1, min_key=cipher.min_key, max_key=cipher.max_key, nonce=12, tag=16)


def _wide(cipher: Shape, *_parts: Shape) -> Shape:
    return Shape(block=16, min_key=cipher.min_key, max_key=cipher.max_key, nonce=32)


def _first(part: Shape, *_parts: Shape) -> Shape:
    return part


RULES: dict[tuple[str, int], Callable[..., Shape]] = {
    ("ecb", 1): _first,
    ("cbc", 1): _chained,
    ("pcbc", 1): _chained,
    ("ctr", 1): _stream,
    ("xctr", 1): _stream,
    ("cfb", 1): _stream,
    ("ofb", 1): _stream,
    ("xts", 1): _twice,
    ("lrw", 1): _tweaked,
    ("cts", 1): _first,
    ("adiantum", 2): _wide,
    ("hctr2", 1): _wide,
    ("essiv", 2): _first,
    ("rfc3686", 1): lambda part: part.but(nonce=8, min_key=part.min_key + 4, max_key=part.max_key + 4),
    ("hmac", 1): _hmac,
    ("cmac", 1): _cmac,
    ("xcbc", 1): lambda part: _cmac(part).but(min_key=part.block, max_key=part.block),
    ("gcm", 1): _gcm,
    ("ccm", 1): _ccm,
    ("rfc4106", 1): lambda part: _salted(part, 4),
    ("rfc4543", 1): lambda part: _salted(part, 4),
    ("rfc4309", 1): lambda part: _salted(part, 3),
    ("rfc7539", 2): _poly1305,
    ("rfc7539esp", 2): lambda cipher, mac: _salted(_poly1305(cipher, mac), 4),
    ("authenc", 2): _authenc,
    ("authencesn", 2): _authenc,
    ("seqiv", 1): _first,
    ("echainiv", 1): _first,
    ("stream", 1): _first,
    ("cryptd", 1): _first,
    ("pcrypt", 1): _first,
}
