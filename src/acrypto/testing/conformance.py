"""The contract of an engine, as checks that any test runner can call.

    from acrypto.testing.conformance import check_engine

    def test_my_engine():
        check_engine(MyEngine)

It opens a layer on the engine alone, holds each of its offers to the laws of the self-tests, on larger messages and
beside the software engine, and raises AssertionError with the law that was broken. An engine that is absent on this
machine conforms: its reason is returned.
"""

from __future__ import annotations

from acrypto import _core
from acrypto.engines.software import Software
from acrypto.layer.layer import Layer
from acrypto.model.errors import AcryptoError
from acrypto.model.offers import Offer
from acrypto.model.settings import Settings
from acrypto.registry.selftest import SelfTestFailed, Subject, prove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from acrypto.engines.base import Engine
    from acrypto.registry.listing import OfferRow

#: Around the edges of blocks, pages and size classes.
SIZES = (0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 4095, 4096, 4097, 70_000)
#: Seconds after which an operation counts as hung.
PATIENCE = 60.0
#: Seconds for one offer.
BUDGET = 300.0

#: What the software engine can be asked for beside anything.
_KNOWN = {row["name"] for row in _core.algorithms()}


def check_engine(make_engine: Callable[[], Engine], *, content: bool = True) -> str | None:
    """Checks one engine against its contract.

    Args:
        make_engine: makes a fresh engine each time; the class itself will do.
        content: whether the engine's results mean anything. Without it only life cycle and settling are checked.

    Returns:
        Why the engine is absent here, or None if it conforms.

    Raises:
        AssertionError: it breaks the contract; the message is the law and the case.
    """
    absent = make_engine().probe()
    if absent is not None:
        return absent.reason
    for inline_us in (0.0, 1e9):
        with Layer([make_engine()], settings=Settings(inline_us=inline_us)) as tested, Layer([Software()]) as judge:
            suite = _Suite(tested, judge)
            try:
                suite.offers(content=content)
                suite.settling()
                if content:
                    suite.contents()
                suite.nothing_lingers()
            except SelfTestFailed as failure:
                raise AssertionError(str(failure)) from failure
            except AcryptoError as error:
                raise AssertionError(f"what is right is not refused: {type(error).__name__}, {error}") from error
    return None


class _Suite:
    """The checks, over one layer to be judged and one that judges."""

    def __init__(self, tested: Layer, judge: Layer) -> None:
        self._tested = tested
        self._judge = judge
        self._rows = tested.offers()

    def offers(self, *, content: bool) -> None:
        _law(bool(self._rows), "an engine that is present offers something")
        for row in self._rows:
            _law(bool(row.driver), "an offer names its driver", row.algorithm)
            if content:
                _law(row.selftest != "failed", "an offer passes its self-test", row.driver, row.reason)
        # An algorithm may have several: what differs has a driver of its own.
        names = [row.driver for row in self._rows]
        _law(len(names) == len(set(names)), "an engine bids once by a driver's name")

    def settling(self) -> None:
        """Whatever is submitted ends, whether anybody waits or not."""
        for row in self._sound():
            if row.kind != "digest":
                continue
            transform = self._tested.transform(row.driver)
            operations = [transform.digest(bytes(size)) for size in SIZES for _ in range(4)]
            for operation in operations[::4]:
                operation.cancel()
            for operation in operations:
                if not operation.cancelled():
                    operation.wait(PATIENCE)
                _law(operation.done() and not operation.cancel(), "an operation that ended stays so", row.driver)
            del operations

    def contents(self) -> None:
        """The laws of each kind, whatever the self-test at registration has said: that one takes smaller messages."""
        for row in self._sound():
            prove(self._subject(row), budget=BUDGET, thorough=True)

    def nothing_lingers(self) -> None:
        self._tested.close()
        _law(self._tested.lingering() == 0, "a closed engine has let go of all memory")

    def _sound(self) -> Iterator[OfferRow]:
        return (row for row in self._rows if not row.insecure)

    def _subject(self, row: OfferRow) -> Subject:
        offer = Offer(row.algorithm, row.driver, row.priority, kind=row.kind, shape=row.shape)
        reference = None
        if row.algorithm in _KNOWN:
            reference = self._maker(self._judge, row.algorithm)

        def random(size: int) -> _core.Operation[bytes]:
            return self._tested.random(size, device=row.device)

        return Subject(offer, self._maker(self._tested, row.driver), reference, random)

    @staticmethod
    def _maker(layer: Layer, name: str) -> Callable[..., _core.Transform]:
        def make(**parameters: object) -> _core.Transform:
            return layer.transform(name, **parameters)  # type: ignore[arg-type]

        return make


def _law(holds: bool, law: str, *case: object) -> None:
    if not holds:
        raise AssertionError(f"{law}: broken for {', '.join(map(str, case)) or 'this engine'}")
