"""An accelerator that does not exist: right results, by the core's own algorithms, with the manners of hardware.

Everything that only asynchronous hardware does to the layer above can be had from it on any machine: a queue that is
full, completions later and out of order, by interrupt or by polling, errors, wrong results, lost completions, death
and revival. It is slower than the CPU that it runs on and bids less, so it is opened only by name or as an instance.
"""

from __future__ import annotations

from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.errors import EngineError, UsageError
from acrypto.model.names import LETTERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: Microseconds between two looks of a polling device.
POLL_US = 50.0
#: How it may die, in the order of the core.
DEATHS = ("dropped", "silent", "held")
MODES = ("interrupt", "polling")
#: The core's numbers.
_LEAST_PRIORITY, _MOST_PRIORITY, _MOST_SEED = -(1 << 31), (1 << 31) - 1, (1 << 64) - 1


class Simulated(Engine):
    """One simulated device. Its methods may be called from any thread, before, while and after a layer uses it.

    Its results are those of the software engine. A request begins when those before it have gone through the one pipe
    (its bytes divided by `rate`) and is done `latency_us` later; the work itself is done at that moment, on a thread
    of the device's own, so nothing is faster than the CPU. Chances are drawn from `seed`: the same requests in the
    same order meet the same fate.

    Args:
        depth: most requests in its hands; it refuses more.
        latency_us: microseconds from the last byte of a request to its completion.
        rate: bytes per second.
        jitter: by which fraction times vary at most, to both sides.
        window: a completion overtakes fewer than so many others; 1 keeps the order.
        chain: whether it does the next stages of a route that it offers in the same pass, at once.
        mode: `interrupt`, where each completion tells itself, or `polling`, where one is seen when the device looks,
            every 50 us, or when it is given more work.
        accept: most requests that it takes at one submission; 0 for all that fit.
        error_rate: the chance that a request ends with `EngineError`.
        corrupt_rate: the chance that a result has a wrong bit.
        loss_rate: the chance that a completion never comes; the request's memory is then held until the device is
            broken, revived or closed.
        submit_us: microseconds that each request costs the thread that submits it.
        priority: of its offers; the software engine bids 100.
        seed: of its chances.
        algorithms: names of what it offers; None for everything that the software engine has.
        name: the engine's name; devices of different character in one layer may have different ones. Its drivers are
            called after both: `sha256-simulated`, `cbc-aes-simulated`.

    Raises:
        UsageError: a value is of the wrong type or outside its limits, which are told.
        UnknownAlgorithm: it is to offer something that the software engine does not have.
    """

    name = "simulated"
    needs = "to be opened by name; it pretends to be hardware"

    def __init__(
        self,
        *,
        depth: int = 64,
        latency_us: float = 20.0,
        rate: float = 2e9,
        jitter: float = 0.0,
        window: int = 1,
        chain: bool = False,
        mode: str = "interrupt",
        accept: int = 0,
        error_rate: float = 0.0,
        corrupt_rate: float = 0.0,
        loss_rate: float = 0.0,
        submit_us: float = 0.0,
        priority: int = 50,
        seed: int = 1,
        algorithms: Sequence[str] | None = None,
        name: str = "simulated",
    ) -> None:
        if not name or not LETTERS.issuperset(name):
            raise UsageError(f"name is {name!r}; it must be made of letters, digits and _-.+/")
        if mode not in MODES:
            raise UsageError(f"mode is {mode!r}; it must be one of {', '.join(MODES)}")
        if isinstance(algorithms, str):
            raise UsageError(f"algorithms is {algorithms!r}; it must be a sequence of names")
        knobs = {
            "depth": depth,
            "latency_us": latency_us,
            "rate": rate,
            "jitter": jitter,
            "window": window,
            "chain": int(bool(chain)),
            "accept": accept,
            "error_rate": error_rate,
            "corrupt_rate": corrupt_rate,
            "loss_rate": loss_rate,
            "submit_us": submit_us,
            "poll_us": POLL_US if mode == "polling" else 0.0,
        }
        self.name = name
        self._native = _core.Engine.simulated(
            name=name,
            priority=_whole("priority", priority, _LEAST_PRIORITY, _MOST_PRIORITY),
            algorithms=None if algorithms is None else list(algorithms),
            seed=_whole("seed", seed, 0, _MOST_SEED),
            knobs=[(knob, _number(knob, value)) for knob, value in knobs.items()],
        )

    def native(self) -> _core.Engine:
        """The core's form: the same one each time, so that what is tuned is what runs."""
        return self._native

    def kill(self, how: str = "dropped") -> None:
        """Dies, until it is revived.

        Args:
            how: `dropped`: it breaks and gives back what it has. `silent`: it stays up, takes what it has room for,
                and completes nothing. `held`: it breaks and keeps the memory of what it has.

        Raises:
            UsageError: there is no such death.
        """
        if how not in DEATHS:
            raise UsageError(f"how is {how!r}; it must be one of {', '.join(DEATHS)}")
        self._native.tune("kill", DEATHS.index(how))

    def revive(self) -> bool:
        """Takes work again and lets go of what it held. Its device must be told, too, if that is broken."""
        self._native.revive()
        return True

    def slow(self, factor: float) -> None:
        """Multiplies all its times, for requests from now on; 1 is as it was made.

        Raises:
            UsageError: the factor is not from 0.000001 to 1000000.
        """
        self.tune("slow", factor)

    def tune(self, knob: str, value: float) -> None:
        """Changes one of the numbers that it was made with, while it runs. What is under way goes on as it began.

        Args:
            knob: the argument's name; or `slow`; or `poll_us`, microseconds between two looks, 0 for interrupts.
            value: within the same limits as there.

        Raises:
            UsageError: there is no such knob, or the value is outside its limits.
        """
        if knob == "kill":
            raise UsageError("kill is no knob; there is a method")
        self._native.tune(knob, _number(knob, value))

    def health(self) -> str | None:
        """How it died, if it did."""
        try:
            self._native.health()
        except EngineError as error:
            return str(error)
        return None


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name} is {value!r}; it must be a number")
    try:
        return float(value)
    except OverflowError:
        raise UsageError(f"{name} is too large for any unit here") from None


def _whole(name: str, value: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} is {value!r}; it must be a whole number")
    if not least <= value <= most:
        raise UsageError(f"{name} is {value}; it must be from {least} to {most}")
    return value
