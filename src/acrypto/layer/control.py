"""How a running layer is steered: its devices' coming and going, its balancers, its clients' shares."""

from __future__ import annotations

from acrypto.model.errors import DeadlineExceeded, UnknownAlgorithm, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto import _core
    from acrypto.balancers.balancers import BalancerRow, Balancers
    from acrypto.balancers.base import Balancer
    from acrypto.layer.care import Care
    from acrypto.layer.opening import Devices
    from acrypto.registry.registry import Registry

#: Most shares of one client.
MAX_WEIGHT = 1 << 16


class Control:
    """See the head of this file. Part of `Layer`, which sets everything up. Shareable between threads."""

    _native: _core.Layer
    _cache: dict[object, _core.Transform]
    _registry: Registry
    _devices: Devices
    _balancers: Balancers
    _care: Care

    # ---- Devices

    def remove_device(self, name: str, timeout: float | None = None) -> None:
        """Drains a device and takes it out of the running layer: nobody loses a request.

        Nothing new goes there from this moment on, what is queued there goes elsewhere, and what runs, or is bound to
        it, is waited for. Then it is closed; what it has still not let go of is done again elsewhere, or ends with
        DeviceLost. Transforms that used it go on with others.

        Args:
            name: the device's.
            timeout: seconds that are given to what runs; None waits for as long as it takes.

        Raises:
            NoEngine: no device is called that.
            ClosedError: the layer is closed.

        Blocks this thread; in an event loop use `await asyncio.to_thread(layer.remove_device, name)`.
        """
        self._native.drain_device(name, timeout)
        self._cache.clear()
        self._leave(name)
        self._devices.close(name)

    def _leave(self, device: str) -> None:
        import contextlib  # three milliseconds that `import acrypto` need not take

        with contextlib.suppress(UnknownAlgorithm, DeadlineExceeded):
            self._registry.withdraw(device, 0.0)

    def drain_device(self, name: str, timeout: float | None = None) -> bool:
        """Gives a device no new work and waits until it has none; False if `timeout` seconds were not enough.

        Blocks this thread meanwhile. It stays out of use until `revive_device`.
        """
        return self._native.drain_device(name, timeout)

    def break_device(self, name: str) -> None:
        """Treats a device as dead: what is queued there, and what its engine holds, is done elsewhere if it may be.

        Requests that are bound to it, or may not be repeated, end once with DeviceLost.
        """
        self._native.break_device(name)

    def quarantine_device(self, name: str, reason: str) -> bool:
        """Gives a device no new work until it is let in again; what runs goes on. False if it has none already."""
        return self._native.quarantine_device(name, reason)

    def revive_device(self, name: str) -> list[str]:
        """Lets a broken, quarantined or draining device in again: revived, proven, and then with a trickle of work.

        Returns:
            What keeps it out, in words; empty if it is back.
        """
        return self._care.revive(name)

    # ---- Balancing

    def balancers(self) -> list[BalancerRow]:
        """Every balancer by name, with the current and the default one marked; `str` of a row shows the marks."""
        return self._balancers.rows()

    def set_balancer(self, name: str) -> None:
        """Places every request from now on by this balancer; what is queued stays where it is.

        Raises:
            UsageError: no balancer is called that.
        """
        self._balancers.set(name)

    def add_balancer(self, balancer: Balancer) -> None:
        """Adds a policy of your own, to be chosen by `set_balancer`.

        Raises:
            UsageError: its name is taken.
        """
        self._balancers.add(balancer)

    def remove_balancer(self, name: str, *, force: bool = False) -> None:
        """Takes a balancer away; if it is the current one, the default one serves. The last one stays unless forced.

        Raises:
            UsageError: no balancer is called that, or it is the last one.
        """
        self._balancers.remove(name, force=force)

    def set_client(self, name: str, weight: int) -> None:
        """Gives a client of this layer, who submits with `client=name`, so many shares: others of its priority have 1.

        A name that was used is remembered as long as the layer lives: name tenants, not connections.

        Raises:
            UsageError: the weight is not from 1 to 65 536.
        """
        if not 1 <= weight <= MAX_WEIGHT:
            raise UsageError(f"weight of client {name!r} is {weight}; it must be from 1 to {MAX_WEIGHT}")
        self._native.set_client(name, weight)
