"""The balancers of one layer: registered by name, one of them current, one of them the default."""

from __future__ import annotations

import threading

from acrypto import _core
from acrypto.balancers.base import Balancer
from acrypto.balancers.catalogue import BALANCERS, DEFAULT
from acrypto.model.errors import ClosedError, UsageError
from acrypto.model.names import LETTERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from acrypto.balancers.base import DeviceView, RequestView


class BalancerRow:
    """A balancer in a listing. As text it is `name`, `[name]` if current, `(name)` if the default, `[(name)]` if both.

    Attributes:
        name: its name.
        is_current: whether it places requests now.
        is_default: whether it takes over when the current one leaves.
    """

    __slots__ = ("is_current", "is_default", "name")

    def __init__(self, name: str, *, is_current: bool = False, is_default: bool = False) -> None:
        self.name = name
        self.is_current = is_current
        self.is_default = is_default

    def __str__(self) -> str:
        name = f"({self.name})" if self.is_default else self.name
        return f"[{name}]" if self.is_current else name

    def __repr__(self) -> str:
        return f"<BalancerRow: {self}>"

    def as_dict(self) -> dict[str, object]:
        """The row as plain values."""
        return {name: getattr(self, name) for name in ("name", "is_current", "is_default")}


class Nobody(Balancer):
    """What decides when the last balancer was taken away by force: every request ends with NoEngine."""

    name = "nobody"

    def find_device(self, request: RequestView, devices: Sequence[DeviceView]) -> None:
        """Picks none."""


class Balancers:
    """See the head of this file. Shareable between threads.

    Requests that are queued already stay where they are when another balancer becomes current: what it decides is
    where the next ones go, and what moves when a device comes or goes.

    Args:
        native: the core's layer, which is told of each change.
        current: the name of the one to begin with; it is the default as well.
        known: those to begin with; by default one of each in the catalogue.

    Raises:
        UsageError: there is none called `current`; the message tells those that there are.
    """

    def __init__(self, native: _core.Layer, current: str = DEFAULT, known: Iterable[Balancer] | None = None) -> None:
        self._native = native
        self._lock = threading.Lock()
        self._known: dict[str, Balancer] = {}
        self._current = self._default = ""
        for balancer in (kind() for kind in BALANCERS.values()) if known is None else known:
            self._known[self._checked(balancer)] = balancer
        self.set(current)
        self._default = current

    def rows(self) -> list[BalancerRow]:
        """Every balancer, oldest first."""
        self._must_be_ours()
        with self._lock:
            return [
                BalancerRow(name, is_current=name == self._current, is_default=name == self._default)
                for name in self._known
            ]

    @property
    def current(self) -> str:
        """The name of the one that places requests now; empty if the last one was taken away by force."""
        return self._current

    @property
    def default(self) -> str:
        """The name of the one that takes over when the current one leaves."""
        return self._default

    def set(self, name: str) -> None:
        """Makes a balancer the current one, from the next request on.

        Raises:
            UsageError: there is none of that name; the message tells those that there are.
        """
        self._must_be_ours()
        with self._lock:
            self._use(self._find(name))
            self._current = name

    def set_default(self, name: str) -> None:
        """Makes a balancer the default, which takes over when the current one leaves.

        Raises:
            UsageError: there is none of that name; the message tells those that there are.
        """
        self._must_be_ours()
        with self._lock:
            self._find(name)
            self._default = name

    def add(self, balancer: Balancer) -> None:
        """Registers a balancer; it places nothing until it is set. The first one becomes current and default.

        Raises:
            UsageError: its name is malformed, or taken.
        """
        self._must_be_ours()
        with self._lock:
            name = self._checked(balancer)
            if not self._known:
                self._use(balancer)
                self._current = self._default = name
            self._known[name] = balancer

    def remove(self, name: str, *, force: bool = False) -> None:
        """Takes a balancer out. For the current one the default takes over; for the default, the oldest that is left.

        Args:
            name: of the one to leave.
            force: whether the last one may leave, too. Every request then ends with NoEngine, until one is added.

        Raises:
            UsageError: there is none of that name; or it is the last one, and `force` is not given.
        """
        self._must_be_ours()
        with self._lock:
            self._find(name)
            left = [other for other in self._known if other != name]
            if not left and not force:
                raise UsageError(f"{name} is the last balancer, and cannot leave; add another one first, or force it")
            default = left[0] if left and name == self._default else self._default
            if not left:
                self._use(Nobody())
                self._current = self._default = ""
            else:
                if name == self._current:
                    self._use(self._known[default])
                    self._current = default
                self._default = default
            del self._known[name]

    def _must_be_ours(self) -> None:
        # Before the lock: in a forked child it may be held by a thread that is not there.
        if not self._native.is_ours:
            raise ClosedError("the layer was opened by the parent process; open a fresh one after a fork")

    def _find(self, name: str) -> Balancer:
        found = self._known.get(name)
        if found is None:
            raise UsageError(f"no balancer is called {name!r}; known: {', '.join(self._known) or 'none'}")
        return found

    def _use(self, balancer: Balancer) -> None:
        self._native.set_balancer(balancer.native() or _core.Balancer.python(balancer))

    def _checked(self, balancer: Balancer) -> str:
        name = balancer.name
        if not name or not LETTERS.issuperset(name):
            raise UsageError(f"a balancer is called {name!r}; a name is made of letters, digits and _-.+/")
        if name in self._known:
            raise UsageError(f"the name {name} is taken by another balancer; known: {', '.join(self._known)}")
        return name
