"""What an algorithm takes, by its name and shape: keys, nonces, additional data, sizes of messages.

Shapes give the sizes; composed names add rules that are not sizes: the keys of `authenc` are a blob of two, `rfc4106`
takes additional data of 8 or 12 bytes, the IV of `seqiv` travels with the message.
"""

from __future__ import annotations

from acrypto.model.errors import UsageError
from acrypto.model.names import Name, parse
from acrypto.model.shapes import shape_of
from acrypto.registry.known_answers.aeads import authenc_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.model.shapes import Shape
    from acrypto.registry.laws.noise import Noise

#: Bytes of salt behind the key.
SALTS = {"rfc4106": 4, "rfc4543": 4, "rfc7539esp": 4, "rfc3686": 4, "rfc4309": 3}
#: Modes of AEADs whose nonce may have several lengths, and one that suits every message size.
NONCES = {"gcm": 12, "ccm": 12}
#: Modes that steal from the last whole block: messages of any size from one block on.
STEALING = ("cts", "xts")
#: What ends the nonce of a message that ends a stream, so that it may have any length, and the bytes of its units.
FINAL, STREAM_UNIT = b"\1", 65536
#: A MAC and a cipher with a key each.
PAIRS = ("authenc", "authencesn")
#: Templates that wrap one other algorithm, whose rules hold on.
WRAPPERS = ("seqiv", "echainiv", "essiv", "cryptd", "pcrypt")
#: Lengths of additional data: those an algorithm takes, and those it must refuse.
ESP_AD = ((8, 12), (9,))


class Recipe:
    """What to feed an algorithm that takes keys.

    Attributes:
        nonce: its length, for encrypting.
        tail: the bytes that a nonce ends with, where they have a meaning.
        prefix: bytes in front of the ciphertext: an IV that travels with the message, which decrypting is not given.
        tag: bytes behind the ciphertext.
        unit: messages are multiples of it ...
        least: ... and at least so long.
        ads: lengths of additional data.
        wrong_ads: lengths that are refused.
        loose_ad: bytes at the end of additional data that are replaced by others, so that changing them is no forgery.
        binds_nonce: whether another nonce is a forgery.
        hides: whether the message is encrypted at all.
        short_tag: a shorter tag that may be asked for, or 0.
    """

    def __init__(self, name: str, shape: Shape) -> None:
        parsed = _parsed(name)
        bases, core = _outer(parsed)
        self._name = parsed
        self._shape = shape
        inner = core.base
        self.nonce = NONCES.get(bases[0], shape.nonce)
        self.tail = FINAL if bases[0] == "stream" else b""
        self.prefix = shape.nonce if {"seqiv", "echainiv"} & {*bases} else 0
        self.tag = shape.tag
        self.unit = max(shape.block, 1)
        self.least = 0
        self._is_pair = inner in PAIRS and len(core.args) == 2
        steals = {*bases, core.args[1].base} if self._is_pair else {*bases}
        if steals & {*STEALING}:
            self.unit, self.least = 1, shape.block
        self.ads: tuple[int, ...] = (0, 1, 13, 20)
        self.wrong_ads: tuple[int, ...] = ()
        if {"rfc4106", "rfc4309", "rfc4543"} & {*bases}:
            self.ads, self.wrong_ads = ESP_AD
        elif inner == "rfc7539esp":
            self.ads = (8, 12)
        elif inner == "authencesn":
            self.ads, self.wrong_ads = (8, 12, 20), (7,)
        is_essiv = "essiv" in bases and shape.tag > 0
        self.loose_ad = shape.nonce if is_essiv else 0
        if is_essiv:
            self.ads = tuple(length + shape.nonce for length in self.ads)
        self.binds_nonce = is_essiv or inner not in PAIRS
        self.hides = "rfc4543" not in bases
        tags = {"gcm", "ccm", "rfc4106", "rfc4309", *PAIRS}
        self.short_tag = 12 if inner in tags and shape.tag > 12 else 0

    def draw_nonce(self, noise: Noise) -> bytes:
        """A nonce for encrypting."""
        return noise.draw(self.nonce - len(self.tail)) + self.tail

    def box(self, size: int) -> int:
        """Bytes of what a message of `size` bytes is sealed to."""
        units = max(-(-size // STREAM_UNIT), 1) if self.tail else 1
        return self.prefix + size + units * self.tag

    def keys(self, noise: Noise) -> list[bytes]:
        """A key of each length, the longest first."""
        return _keys(self._name, self._shape, noise)

    def telling(self, key: bytes) -> list[int]:
        """Bytes of a key without which a box does not open. A pair's cipher has no say in that."""
        if self._is_pair:
            return [len(authenc_key(b"", b"")), len(authenc_key(b"", b"")) + 15]
        return sorted({0, len(key) // 2, len(key) - 1})

    def wrong_keys(self, noise: Noise) -> list[bytes]:
        """Keys of lengths that must be refused."""
        shape = self._shape
        return [noise.draw(size) for size in sorted({0, shape.min_key - 1, shape.max_key + 1}) if size >= 0]

    def wrong_nonces(self) -> list[int]:
        """Lengths of nonces that must be refused; no mode takes 129 bytes."""
        fixed = {self.nonce - 1, self.nonce + 1} if self._name.base not in NONCES else set()
        return sorted(size for size in {0, 129, *fixed} - {self.nonce} if size >= 0)


def _parsed(name: str) -> Name:
    try:
        return parse(name)
    except UsageError:
        return Name("unnamed")


def _outer(name: Name) -> tuple[list[str], Name]:
    """The words from the outside inwards up to the first that wraps nothing, and what that word stands for."""
    words = [name.base]
    while name.args and name.base in WRAPPERS:
        name = name.args[0]
        words.append(name.base)
    return words, name


def _keys(name: Name, shape: Shape, noise: Noise) -> list[bytes]:
    if name.base in PAIRS and len(name.args) == 2:
        mac, cipher = name.args
        mac_len = shape_of(str(mac)).digest or 32
        return [authenc_key(noise.draw(mac_len), key) for key in _keys(cipher, shape_of(str(cipher)), noise)]
    if name.base in SALTS and len(name.args) == 1:
        inner = _keys(name.args[0], shape_of(str(name.args[0])), noise)
        return [key + noise.draw(SALTS[name.base]) for key in inner]
    if name.base in {*WRAPPERS, "cts"} and name.args:
        return _keys(name.args[0], shape_of(str(name.args[0])) or shape, noise)
    lengths = {shape.min_key, shape.max_key}
    if lengths == {16, 32}:
        lengths.add(24)
    return [noise.draw(length) for length in sorted(lengths, reverse=True)]
