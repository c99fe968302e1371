"""What an offer must be to be entered in the registry (crypto/algapi.c, `crypto_check_alg`)."""

from __future__ import annotations

from acrypto import _core
from acrypto.model.errors import UsageError
from acrypto.model.names import MAX_NAME, parse
from acrypto.model.offers import KINDS
from acrypto.model.shapes import shape_of
from acrypto.registry.templates import MOST_PRIORITY, TEMPLATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from acrypto.model.offers import Offer

#: Bytes of a key, a digest or the like, at most.
MOST_SIZE = 1 << 16
#: What the core knows of its algorithms, by name.
KNOWN = {row["name"]: row for row in _core.algorithms()}


def admit(engine: str, offers: Sequence[Offer], taken: dict[str, str]) -> None:
    """Checks all offers of an engine, and fills in what it left out because the field knows it.

    Args:
        engine: its name.
        offers: what it wants to offer.
        taken: driver names in use, and by which engine.

    Raises:
        UsageError: one of them is malformed, or its driver name is another engine's.
    """
    own = set()
    for offer in offers:
        parse(offer.algorithm)
        check_word("driver", offer.driver)
        if offer.driver in own:
            raise UsageError(f"engine {engine} offers the driver {offer.driver} twice")
        own.add(offer.driver)
        if taken.get(offer.driver, engine) != engine:
            raise UsageError(f"the driver {offer.driver} is taken by engine {taken[offer.driver]}")
        if not -MOST_PRIORITY <= offer.priority <= MOST_PRIORITY:
            raise UsageError(f"{offer.driver} bids {offer.priority}; a priority is within -2^31 and 2^31")
        made_by = TEMPLATES.get(parse(offer.algorithm).base)
        if not offer.kind and made_by is not None:
            offer.kind = made_by.kind
        if not offer.kind and offer.algorithm in KNOWN:
            offer.kind = KNOWN[offer.algorithm]["kind"]
        # Whatever it says of itself: what is made of the insecure is insecure.
        offer.insecure = offer.insecure or any(
            KNOWN[part]["insecure"] for part in _inside(offer.algorithm) & KNOWN.keys()
        )
        if offer.kind not in KINDS:
            kinds = ", ".join(KINDS)
            raise UsageError(f"{offer.driver} says {offer.kind!r} for its kind, which must be one of {kinds}")
        if offer.shape is None:
            offer.shape = shape_of(offer.algorithm)
        for size in offer.shape.__slots__:
            if not 0 <= getattr(offer.shape, size) <= MOST_SIZE:
                raise UsageError(f"{offer.driver} says {size}={getattr(offer.shape, size)}; at most {MOST_SIZE}")


def _inside(algorithm: str) -> set[str]:
    """The name and all names in it."""
    found, left = set(), [parse(algorithm)]
    while left:
        name = left.pop()
        found.add(str(name))
        left += name.args
    return found


def check_word(what: str, word: object) -> None:
    """Refuses what is no name of a driver or an engine.

    Freer than an algorithm's name: a driver that does not follow the grammar cannot be a template's argument, no more.

    Raises:
        UsageError: it is none; says what it should be.
    """
    is_word = isinstance(word, str) and 0 < len(word) <= MAX_NAME and word.isascii() and word.isprintable()
    if not is_word or " " in str(word):
        shown = ascii(word)[:40]
        raise UsageError(f"{what} name {shown}: wanted 1 to {MAX_NAME} printable ASCII characters without blanks")
