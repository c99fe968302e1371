"""The contract of a balancer: the policy that picks a device for each request.

There are two ways to be one. A *native* balancer gives the core something that runs without Python (`native`). One
written in Python has `find_device`, which the core calls with the GIL held; it pays Python's price, and only it does.
`simple.py` shows the first and `by_process.py` the second; they are the files to copy.

Required: `name`, and either `native` or `find_device`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from acrypto import _core

    class RequestView(Protocol):
        """A request that wants a device. Valid during the call; its values may be kept, it should not.

        Attributes:
            algorithm: the name in the kernel's grammar.
            direction: `compress`, `encrypt`, `digest` ...
            nbytes: what its cost depends on: bytes to read, or to generate.
            priority: larger ones go first.
            client: the caller's number among the layer's clients; 0 is nobody in particular.
            pid: the process that submits it.
            device_count: how many devices the layer has, those that cannot take this request among them.
        """

        algorithm: str
        direction: str
        nbytes: int
        priority: int
        client: int
        pid: int
        device_count: int

    class DeviceView(Protocol):
        """A device that could take the request, at this moment.

        Attributes:
            name: the device's.
            number: a small number of its own, never used again in this layer.
            priority: its offer's: the larger, the more its engine thinks of itself.
            operations: requests in its hands: queued, waiting behind its budget, running.
            ready_ns: nanoseconds until it would begin with this request.
            run_ns: nanoseconds that the request would run there, measured or guessed.
            samples: how many runs of this size that is measured from; 0 is a guess.
            has_room: whether its queue would take the request now.
            engine: the name of its engine.
        """

        name: str
        number: int
        priority: int
        operations: int
        ready_ns: int
        run_ns: int
        samples: int
        has_room: bool
        engine: str


class Balancer:
    """One policy. A layer calls it from any thread, from several at once, and under no lock of its own."""

    #: No other balancer of the layer has this name: letters, digits and _-.+/ .
    name = ""

    def native(self) -> _core.Balancer | None:
        """The core's own form of this policy, if it has one; asked for once, when it becomes the current one."""
        return None

    def find_device(self, request: RequestView, devices: Sequence[DeviceView]) -> str | int | None:
        """Picks a device. Not called of a balancer with a native form.

        Args:
            request: what is to be done.
            devices: those that could do it, at least one, strongest offer first. Broken, quarantined and draining ones
                are not among them; those without room are.

        Returns:
            A device's name, or its place in `devices`; None sends the request away with NoEngine.

        Must be quick and must not call the layer. If it raises, or names what is not there, the core picks itself.
        """
        raise NotImplementedError(f"{type(self).__name__} has neither a native form nor find_device()")

    def rehash(self, event: str) -> bool:
        """Whether requests that are still queued should be placed anew, after a device `arrived`, `broke` or `left`."""
        return True
