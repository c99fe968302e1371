"""Templates: algorithms made of others. Each row says of which, under what rules, and what the result is called.

Rules and priorities are those of Linux (crypto/authenc.c, essiv.c, gcm.c, ccm.c, ctr.c, cts.c, seqiv.c, hmac.c,
cryptd.c, pcrypt.c, chacha20poly1305.c). What runs is in the core, in rust/core/src/template; here is only who may be
combined.
"""

from __future__ import annotations

from acrypto.model.errors import UsageError
from acrypto.model.names import Name, parse
from acrypto.model.offers import Offer
from acrypto.model.shapes import Shape, shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    #: Finds the best offer for a name; raises if there is none.
    Find: TypeAlias = Callable[[str], Offer]

#: Priorities beyond this fit no machine integer.
MOST_PRIORITY = (1 << 31) - 1
#: Where a composition runs if it is not run by the device of its parts.
TEMPLATE, CRYPTD, PCRYPT = "template", "cryptd", "pcrypt"
HOSTS = frozenset({TEMPLATE, CRYPTD, PCRYPT})


class Template:
    """One way to make an algorithm of others.

    Attributes:
        base: the word before the bracket.
        arity: how many arguments it takes.
        kind: of the result; empty if it is its first part's.
        host: the device that it always runs on; empty if its parts' own will do.
        more: added to the priority of the first part.
        renames: whether the result is called by the template; the wrappers keep their part's name.
    """

    base = ""
    arity = 1
    kind = ""
    host = ""
    more = 0
    renames = True

    def parts(self, name: Name, find: Find) -> list[Offer]:
        """The offers that it is made of, in the order in which the core wants them; checked.

        Raises:
            UsageError: these cannot be combined so.
            UnknownAlgorithm, NoEngine: one of them is not to be had.
        """
        offers = [find(str(argument)) for argument in name.args]
        self.check(offers)
        return offers

    def check(self, parts: Sequence[Offer]) -> None:
        """Refuses parts that do not fit."""

    def priority(self, parts: Sequence[Offer]) -> int:
        """What the result bids."""
        return parts[0].priority + self.more

    def offer(self, name: Name, parts: Sequence[Offer]) -> Offer:
        """What it makes of checked parts."""
        arguments = parts[: self.arity]
        algorithm = f"{self.base}({','.join(part.algorithm for part in arguments)})"
        if not self.renames:
            algorithm = parts[0].algorithm
        driver = f"{self.base}({','.join(part.driver for part in arguments)})"
        parse(driver)  # nested names grow: too long is refused, with the limit
        return Offer(
            algorithm,
            driver,
            max(-MOST_PRIORITY, min(self.priority(parts), MOST_PRIORITY)),
            kind=self.kind or parts[0].kind,
            shape=self.shape(algorithm, parts),
            insecure=any(part.insecure for part in parts),
        )

    def shape(self, algorithm: str, parts: Sequence[Offer]) -> Shape:
        """The sizes of the result."""
        return shape_of(algorithm)

    def refuse(self, part: Offer, wants: str) -> UsageError:
        """The error for a part that does not fit."""
        return UsageError(f"{self.base} takes {wants}, and {part.algorithm} ({part.driver}) is none")

    def must_be(self, part: Offer, kind: str, wants: str, base: str = "") -> None:
        """Refuses a part of another kind, or not made by the template `base`."""
        if part.kind != kind or (base and parse(part.algorithm).base != base):
            raise self.refuse(part, wants)


class Hmac(Template):
    """RFC 2104 over a hash whose block is larger than its digest."""

    base = "hmac"
    kind = "mac"

    def check(self, parts: Sequence[Offer]) -> None:
        """A checksum is no hash, though it is a digest: its block is a byte."""
        self.must_be(parts[0], "digest", "a hash")
        shape = parts[0].shape
        if shape is None or not 0 < shape.digest <= shape.block:
            raise self.refuse(parts[0], "a hash with a block of at least its digest's size")

    def shape(self, algorithm: str, parts: Sequence[Offer]) -> Shape:
        """Block and digest are the hash's own."""
        shape = parts[0].shape or Shape()
        return Shape(block=shape.block, digest=shape.digest)


class Authenc(Template):
    """Encrypt, then MAC."""

    base = "authenc"
    arity = 2
    kind = "aead"

    def check(self, parts: Sequence[Offer]) -> None:
        """A MAC and a cipher."""
        self.must_be(parts[0], "mac", "a MAC first")
        self.must_be(parts[1], "cipher", "a cipher second")

    def priority(self, parts: Sequence[Offer]) -> int:
        """The cipher counts ten times as much as the MAC."""
        return parts[1].priority * 10 + parts[0].priority


class AuthencEsn(Authenc):
    """The same with IPsec's extended sequence numbers (RFC 4303)."""

    base = "authencesn"


class Essiv(Template):
    """IVs encrypted under a hash of the key: of a cipher, or of an authenc."""

    base = "essiv"
    arity = 2

    def parts(self, name: Name, find: Find) -> list[Offer]:
        """The cipher (or authenc), the hash, and the block cipher that encrypts IVs."""
        outer, hashed = find(str(name.args[0])), find(str(name.args[1]))
        own = parse(outer.algorithm)
        if outer.kind == "aead":
            self.must_be(outer, "aead", "a cipher or an authenc first", "authenc")
            own = own.args[1]
        else:
            self.must_be(outer, "cipher", "a cipher or an authenc first")
        self.must_be(hashed, "digest", "a hash second")
        shape = shape_of(str(own))
        if len(own.args) != 1 or own.args[0].args or shape.nonce != shape.block:
            raise self.refuse(outer, "a mode of a block cipher whose IV is a block")
        cipher = find(f"ecb({own.args[0]})")
        salt, keys = (hashed.shape or Shape()).digest, cipher.shape or Shape()
        if not keys.min_key <= salt <= keys.max_key or (salt - keys.min_key) % 8:
            takes = f"a hash whose digest can be a key of {own.args[0]}, of {keys.min_key} to {keys.max_key} bytes"
            raise self.refuse(hashed, takes)
        return [outer, hashed, cipher]


class Rfc(Template):
    """A cipher or AEAD for IPsec: a part of the nonce comes with the key."""

    def __init__(self, base: str, over: str, kind: str = "aead") -> None:
        self.base = base
        self.kind = kind
        self._over = over

    def check(self, parts: Sequence[Offer]) -> None:
        """Only over the mode that the RFC names."""
        self.must_be(parts[0], self.kind, f"a mode {self._over}", self._over)


class Rfc7539Esp(Template):
    """ChaCha20-Poly1305 for IPsec (RFC 7634): two arguments, one part."""

    base = "rfc7539esp"
    arity = 2

    def parts(self, name: Name, find: Find) -> list[Offer]:
        """The AEAD of the same two."""
        if [str(argument) for argument in name.args] != ["chacha20", "poly1305"]:
            raise UsageError(f"rfc7539esp takes chacha20 and poly1305, and not {name.args[0]} and {name.args[1]}")
        return [find("rfc7539(chacha20,poly1305)")]

    def offer(self, name: Name, parts: Sequence[Offer]) -> Offer:
        """Named after its arguments."""
        made = super().offer(name, parts)
        made.algorithm = str(name)
        made.shape = shape_of(made.algorithm)
        return made


class Seqiv(Template):
    """Makes the IV of an AEAD from a sequence number, and carries it before the ciphertext."""

    base = "seqiv"
    kind = "aead"

    def check(self, parts: Sequence[Offer]) -> None:
        """The IV must hold a sequence number of 64 bits."""
        self.must_be(parts[0], "aead", "an AEAD")
        if parse(parts[0].algorithm).base == self.base or (parts[0].shape or Shape()).nonce != 8:
            raise self.refuse(parts[0], "an AEAD with an IV of 8 bytes")


class Cts(Template):
    """CBC with ciphertext stealing, variant CS3 (RFC 3962)."""

    base = "cts"
    kind = "cipher"

    def check(self, parts: Sequence[Offer]) -> None:
        """Over CBC only."""
        self.must_be(parts[0], "cipher", "a cipher in CBC mode", "cbc")


class Cryptd(Template):
    """Runs its part from a queue: makes anything asynchronous."""

    base = "cryptd"
    host = CRYPTD
    more = 50
    renames = False

    def shape(self, algorithm: str, parts: Sequence[Offer]) -> Shape:
        """Its part's."""
        return parts[0].shape or Shape()


class Pcrypt(Cryptd):
    """Spreads an AEAD over cores; completions come in the order of submission."""

    base = "pcrypt"
    host = PCRYPT
    more = 100

    def check(self, parts: Sequence[Offer]) -> None:
        """AEADs only."""
        self.must_be(parts[0], "aead", "an AEAD")


# A new template is one line here, and its composition in rust/core/src/template.
TEMPLATES: dict[str, Template] = {
    template.base: template
    for template in (
        Hmac(),
        Authenc(),
        AuthencEsn(),
        Essiv(),
        Rfc("rfc4106", "gcm"),
        Rfc("rfc4543", "gcm"),
        Rfc("rfc4309", "ccm"),
        Rfc("rfc3686", "ctr", "cipher"),
        Rfc7539Esp(),
        Seqiv(),
        Cts(),
        Cryptd(),
        Pcrypt(),
    )
}
