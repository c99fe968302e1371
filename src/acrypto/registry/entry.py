"""An offer as the registry keeps it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.model.offers import Offer

#: Entered and not proven yet; proven; found wrong; of an engine that is not to be proven.
LARVAL, PASSED, FAILED, UNPROVEN = "larval", "passed", "failed", "unproven"


class Entry:
    """One offer of one device.

    Attributes:
        id: its number in the core.
        offer, device, engine: what is offered, and by whom.
        identity: under what its verdict is remembered; None if it is not.
        state, reason, note, seconds: what its self-test found, why it failed, what could not be asked, its time.
        parts: what a template made it of.
        is_wrapper: whether it only changes how something is run, or has inside what does.
        runs_here: whether it may run on any thread, so that compositions of it need no host.
        beside: whether it is of an engine for many messages at once, so that a template makes the same for single ones.
    """

    __slots__ = (
        "beside",
        "device",
        "engine",
        "id",
        "identity",
        "is_wrapper",
        "library",
        "note",
        "offer",
        "parts",
        "reason",
        "runs_here",
        "seconds",
        "state",
    )

    def __init__(
        self, number: int, offer: Offer, device: str, engine: str, identity: str | None, *, runs_here: bool
    ) -> None:
        self.id = number
        self.offer = offer
        self.device = device
        self.engine = engine
        self.library = ""
        self.identity = identity
        self.state = LARVAL
        self.reason = ""
        self.note = ""
        self.seconds = 0.0
        self.parts: list[Entry] = []
        self.is_wrapper = False
        self.runs_here = runs_here
        self.beside = False

    @property
    def plain_priority(self) -> int:
        """What it would bid without the wrappers in it."""
        return self.parts[0].plain_priority if self.is_wrapper and self.parts else self.offer.priority

    @property
    def is_visible(self) -> bool:
        """Whether allocations find it."""
        return self.state in {PASSED, UNPROVEN}

    def is_made_of(self, other: Entry) -> bool:
        """Whether it is the other, or has it somewhere inside."""
        return self is other or any(part.is_made_of(other) for part in self.parts)

    def answers(self, name: str) -> bool:
        """Whether it is offered under this name."""
        return name in {self.offer.algorithm, self.offer.driver}
