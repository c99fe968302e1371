"""Where the known answers of an algorithm are."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.registry.known_answers.answer import Answer


def answers(name: str, kind: str) -> list[Answer]:
    """The known answers of an algorithm; none if nobody published any, or if it is not of the field."""
    # Imported as needed: most layers find their verdicts in the cache.
    match kind:
        case "compression":
            from acrypto.registry.known_answers.codecs import codecs as find
        case "digest":
            from acrypto.registry.known_answers.hashes import digests as find
        case "mac":
            from acrypto.registry.known_answers.hashes import macs as find
        case "cipher":
            from acrypto.registry.known_answers.ciphers import ciphers as find
        case "aead":
            from acrypto.registry.known_answers.aeads import aeads as find
        case "signature":
            from acrypto.registry.known_answers.public_keys import signatures as find
        case "agreement":
            from acrypto.registry.known_answers.public_keys import agreements as find
        case _:
            return []
    return find(name)
