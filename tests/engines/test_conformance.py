"""Every engine of the catalogue keeps the contract; a broken one is found out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

import acrypto
from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.engines.catalogue import ENGINES
from acrypto.engines.null import Null
from acrypto.model.offers import Absent, Offer
from acrypto.testing.conformance import check_engine
from acrypto.testing.gate import Gate


class OpenGate(Gate):
    """An engine in Python over the one-shots, which know no key agreement."""

    def __init__(self) -> None:
        super().__init__()
        self.open()

    def offers(self) -> Sequence[Offer]:
        return [offer for offer in super().offers() if offer.algorithm != "x25519"]


class Own(Engine):
    """Offers an algorithm that nobody else knows: every byte once more than needed."""

    name = "own"

    def offers(self) -> Sequence[Offer]:
        return [Offer("twice", "twice-own", 1, kind="compression")]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        for job in burst:
            work = self._pack if job.operation == "compress" else self._unpack
            job.complete([work(source) for source, *_ in job.units])
        return len(burst)

    def _pack(self, source: bytes) -> bytes:
        return bytes(byte for byte in source for _ in range(2))

    def _unpack(self, source: bytes) -> bytes | Exception:
        if source[::2] != source[1::2]:
            return acrypto.CorruptInput("the halves of a pair differ")
        return source[::2]


MAKERS: dict[str, Callable[[], Engine]] = {
    **ENGINES,
    "null in Python": lambda: Null(python=True),
    "null, always queued": lambda: Null(inline=False),
    "a Python engine over the one-shots": OpenGate,
    "an algorithm of its own": Own,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_it_keeps_the_contract(name: str) -> None:
    reason = check_engine(MAKERS[name], content=not name.startswith("null"))
    if reason is not None:
        pytest.skip(reason)


class Broken(OpenGate):
    """A sound engine whose answers a test spoils."""

    def __init__(self, spoil: Callable[[_core.Job, list[bytes | Exception]], list[bytes | Exception]]) -> None:
        super().__init__()
        self._spoil = spoil

    def submit(self, burst: Sequence[_core.Job]) -> int:
        return super().submit([_Spoiled(job, self._spoil) for job in burst])  # type: ignore[misc]


class _Spoiled:
    def __init__(self, job: _core.Job, spoil: Callable[..., list[bytes | Exception]]) -> None:
        self._job = job
        self._spoil = spoil

    def __getattr__(self, name: str) -> object:
        return getattr(self._job, name)

    def complete(self, results: list[bytes | Exception]) -> bool:
        return self._job.complete(self._spoil(self._job, results))


def flip(job: _core.Job, results: list[bytes | Exception]) -> list[bytes | Exception]:
    return [bytes([r[0] ^ 1]) + r[1:] if isinstance(r, bytes) and r else r for r in results]


def open_what_is_forged(job: _core.Job, results: list[bytes | Exception]) -> list[bytes | Exception]:
    return [bytes(5) if isinstance(r, acrypto.AuthenticationError) else r for r in results]


def swallow_errors(job: _core.Job, results: list[bytes | Exception]) -> list[bytes | Exception]:
    return [b"" if isinstance(r, Exception) and job.operation == "decompress" else r for r in results]


def reverse_many(job: _core.Job, results: list[bytes | Exception]) -> list[bytes | Exception]:
    return results[::-1]


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [flip, open_what_is_forged, swallow_errors, reverse_many])
def test_a_broken_engine_is_found_out(spoil: Callable[..., list[bytes | Exception]]) -> None:
    with pytest.raises(AssertionError):
        check_engine(lambda: Broken(spoil))


@pytest.mark.slow
def test_a_broken_engine_is_found_out_at_registration_too() -> None:
    """What its self-test has hidden is no longer there to be examined; that alone is a failure."""

    class Proven(Broken):
        selftest = True

    with pytest.raises(AssertionError, match="an offer passes its self-test"):
        check_engine(lambda: Proven(flip))


def test_an_engine_that_offers_nothing_is_found_out() -> None:
    class Idle(Gate):
        def offers(self) -> Sequence[Offer]:
            return ()

    with pytest.raises(AssertionError, match="offers something"):
        check_engine(Idle)


def test_an_absent_engine_conforms_and_tells_why() -> None:
    class Missing(Engine):
        name = "missing"

        def probe(self) -> Absent:
            return Absent("no such hardware")

    assert check_engine(Missing) == "no such hardware"
    with pytest.raises(acrypto.NoEngine, match="no such hardware"):
        acrypto.open([Missing()])
