"""The contract of an engine: code that can do some algorithms.

There are two ways to be one. A *native* engine gives the core something that runs without Python (`native`); its work
never takes the GIL. An engine written in Python gives its `offers` and takes bursts of jobs (`submit`); it pays
Python's price, and only it does. `null.py` shows both and is the file to copy.

Required: `name`, and either `native` or both `offers` and `submit`. Everything else is optional.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from acrypto import _core
    from acrypto.model.offers import Absent, Offer


class Engine:
    """One engine, not opened yet. Opening it makes a device; an instance is opened at most once."""

    #: The engine's name; its device is called that with a number behind.
    name = ""
    #: What it needs, in words, for `acrypto doctor`.
    needs = "nothing"
    #: The library behind all that it offers, for `acrypto algorithms`, if it is one.
    library = ""
    #: Whether `acrypto.open()` takes it without being asked.
    by_default = False
    #: Whether its offers are proven before anybody sees them. Only what does nothing, or errs on purpose, says no.
    selftest = True

    def probe(self) -> Absent | None:
        """Tells why the engine cannot be used here, or None. Must be cheap and must not raise."""
        return None

    def native(self) -> _core.Engine | None:
        """The core's own form of this engine, if it has one."""
        return None

    def offers(self) -> Sequence[Offer]:
        """What it can do here. Only asked of engines without a native form."""
        return ()

    def submit(self, burst: Sequence[_core.Job]) -> int:
        """Takes some jobs off the front of the burst and returns how many; those it must `complete`, now or later.

        Taking fewer than offered is ordinary back-pressure. Called in a thread of the device's own.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither a native form nor submit()")

    def health(self) -> str | None:
        """What is wrong with it, or None: it is well. A device whose engine is ill gets no new work until it is well.

        Asked every `Settings.health_s` seconds if the engine has this method, in a thread of the layer's that does
        nothing else; must be quick. To raise is to be ill.
        """
        return None

    def revive(self) -> bool:
        """Brings it back after its device broke; whether that worked. Asked again, ever more rarely, until it does.

        Only asked if the engine has this method and its `health` says that it is well. What it offers is then proven
        anew before it gets work.
        """
        return False

    def close(self) -> None:
        """Lets go of everything. Called once, after the last `submit`; of a native engine when its device has closed.

        Not called in a forked child, to which nothing of the layer belongs.
        """
