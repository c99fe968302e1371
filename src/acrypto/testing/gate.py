"""An engine that holds its work back until it is told: the way to a test that waits for nothing."""

from __future__ import annotations

import threading

from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.errors import AcryptoError, UsageError
from acrypto.model.offers import Offer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Gate(Engine):
    """Does what the software engine does, with the one-shots, but only while it is open. Starts shut.

    A device on a shut gate is a busy device: what is submitted behind its first request stays queued, exactly as long
    as the test wants.

    Attributes:
        arrived: set once the first job has come; then one job (or burst) is held.
        order: the sources of the units that were done, in the order in which they were done.
    """

    name = "gate"
    needs = "to be opened as an instance; it does nothing until told"
    selftest = False

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.order: list[bytes] = []
        self._open = threading.Event()

    def open(self) -> None:
        """Lets everything through from now on."""
        self._open.set()

    def shut(self) -> None:
        """Holds back whatever comes from now on."""
        self._open.clear()
        self.arrived.clear()

    def offers(self) -> Sequence[Offer]:
        """What the one-shots can do, below everybody else's bid."""
        rows = [row for row in _core.algorithms() if not row["insecure"] and row["kind"] != "agreement"]
        return [Offer(row["name"], f"{row['name']}-gate", -3) for row in rows]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        """Waits until the gate is open, then does the whole burst."""
        self.arrived.set()
        self._open.wait()
        for job in burst:
            units = job.units
            self.order.extend(source for source, *_ in units)
            job.complete([by_one_shots(job, *unit) for unit in units])
        return len(burst)

    def close(self) -> None:
        """Opens the gate: nobody comes any more."""
        self._open.set()


def by_one_shots(job: _core.Job, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
    """One unit of a job, done rightly: the result, or the error that it is to end with."""
    name, parameters = job.algorithm, dict(job.params)
    key = parameters.pop("key", b"")
    try:
        match job.operation:
            case "compress":
                return bytes(_core.compress(name, source, **parameters))
            case "decompress":
                return bytes(_core.decompress(name, source, max_output=job.max_output))
            case "digest":
                return _core.digest(name, source, **parameters)
            case "mac":
                return _core.mac(name, key, source, **parameters)
            case "encrypt":
                return bytes(_core.encrypt(name, key, nonce, source, ad, **parameters))
            case "decrypt":
                return bytes(_core.decrypt(name, key, nonce, source, ad, **parameters))
            case "sign":
                return _core.sign(name, key, source, **parameters)
            case "verify":
                _core.verify(name, key, tag, source, **parameters)
                return b""
            case "random":
                return _core.random(job.max_output)
            case other:
                return UsageError(f"the one-shots have no {other}")
    except AcryptoError as error:
        return error
