"""Engines that do what the one-shots do: honestly, wrongly, slowly, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from acrypto import _core
from acrypto.engines.base import Engine
from acrypto.model.offers import Offer
from acrypto.testing.gate import by_one_shots

#: Seconds after which something that should have happened has not.
PATIENCE = 30.0


class Twin(Engine):
    """Does what the one-shots do, honestly, under other names and at another price."""

    def __init__(self, *offers: Offer, name: str = "twin") -> None:
        self.name = name
        self._offers = offers
        self.closed = threading.Event()

    def offers(self) -> Sequence[Offer]:
        return self._offers

    def submit(self, burst: Sequence[_core.Job]) -> int:
        for job in burst:
            job.complete([self.do(job, *unit) for unit in job.units])
        return len(burst)

    def do(self, job: _core.Job, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
        return by_one_shots(job, source, nonce, ad, tag)

    def close(self) -> None:
        self.closed.set()


class Liar(Twin):
    """Gets one bit of everything wrong."""

    def do(self, job: _core.Job, source: bytes, nonce: bytes, ad: bytes, tag: bytes) -> bytes | Exception:
        right = super().do(job, source, nonce, ad, tag)
        return bytes([right[0] ^ 1]) + right[1:] if isinstance(right, bytes) and right else right


class Slow(Twin):
    """Answers nothing before it is told to."""

    def __init__(self, *offers: Offer) -> None:
        super().__init__(*offers, name="slow")
        self.asked = threading.Event()
        self.go = threading.Event()

    def submit(self, burst: Sequence[_core.Job]) -> int:
        self.asked.set()
        assert self.go.wait(PATIENCE)
        return super().submit(burst)


class Silent(Twin):
    """Takes everything, and never answers; closing it lets go."""

    def __init__(self, *offers: Offer) -> None:
        super().__init__(*offers, name="silent")
        self.kept: list[_core.Job] = []

    def submit(self, burst: Sequence[_core.Job]) -> int:
        self.kept += burst
        return len(burst)

    def close(self) -> None:
        self.kept.clear()


def sha256(driver: str = "sha256-twin", priority: int = 200) -> Offer:
    return Offer("sha256", driver, priority)
