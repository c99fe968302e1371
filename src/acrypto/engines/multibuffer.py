"""Many messages at once, each in a lane of a vector register, by Intel's library intel-ipsec-mb (libIPSec_MB).

SHA-1, SHA-2, HMAC, AES-CMAC and AES-CBC cannot be done in parallel inside one message; sixteen messages can. What is in
flight together travels together: the messages of `*_many`, and those of any callers that wait in the device's queue.
One message alone is slower than on the software engine, which the balancer learns.

The library is looked for when the engine is; nothing is needed to build acrypto. `ACRYPTO_IPSEC_MB=/path/to/file` names
one to load instead of the system's.
"""

from __future__ import annotations

from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.errors import UsageError
from acrypto.model.offers import Absent

#: Microseconds that a few messages wait for company.
GATHER_US = 5.0


class Multibuffer(Engine):
    """One device over the library; its methods may be called from any thread.

    Args:
        gather_us: microseconds, 0 to 1000, that a worker with too few messages to fill its lanes looks for more before
            it does them. One message alone never waits.

    Raises:
        UsageError: `gather_us` is no number, or outside its limits.
    """

    name = "multibuffer"
    needs = "intel-ipsec-mb 1.3, 1.5 or 2.0 (Debian: libipsec-mb1, libipsec-mb2)"
    library = "intel-ipsec-mb"
    by_default = True

    def __init__(self, *, gather_us: float = GATHER_US) -> None:
        wrong = f"gather_us is {gather_us!r}; it must be a number from 0 to 1000"
        if isinstance(gather_us, bool) or not isinstance(gather_us, (int, float)):
            raise UsageError(wrong)
        if not 0 <= gather_us <= 1000:
            raise UsageError(wrong)
        self._gather_us = float(gather_us)
        self._native: _core.Engine | None = None

    def probe(self) -> Absent | None:
        """Why the library cannot be used, if it cannot; else its version joins `needs`."""
        version, told = _core.ipsec_mb()
        if version is None:
            return Absent(told)
        self.needs = f"{told}: here in version {version}"
        return None

    def native(self) -> _core.Engine:
        """The core's form: the same one each time, so that what is tuned is what runs."""
        if self._native is None:
            self._native = _core.Engine.multibuffer()
            self._native.tune("gather_us", self._gather_us)
        return self._native

    def tune(self, knob: str, value: float) -> None:
        """Turns a knob while it runs: `gather_us`, as in the constructor.

        Raises:
            UsageError: there is no such knob, or the value is outside its limits.
            NoEngine: the library is not here.
        """
        self.native().tune(knob, value)
