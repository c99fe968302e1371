"""What the tree of soft devices refuses, in the kernel's words."""

from __future__ import annotations

import errno as numbers

from acrypto.model.errors import AcryptoError


class BusError(AcryptoError):
    """A file of the tree, a driver or a device refuses. Nothing was changed, unless the message says so.

    Attributes:
        errno: the kernel's number for it, positive, as in the module `errno`.
        name: the same as a word, `"EPERM"`.
        command_status: what the device's file `cmd_status` tells about it; 0 if the refusal leaves it as it is.
    """

    def __init__(self, errno: int, message: str, command_status: int = 0) -> None:
        name = numbers.errorcode.get(errno, str(errno))
        status = f" (command status {command_status:#x})" if command_status else ""
        super().__init__(f"{message}: {name}{status}")
        self.errno = errno
        self.name = name
        self.message = message
        self.command_status = command_status

    def at(self, place: str, joint: str = "; ") -> BusError:
        """The same refusal, told of what stands at a place in a file."""
        return BusError(self.errno, f"{place}{joint}{self.message}", self.command_status)
