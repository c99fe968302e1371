"""A known answer: what to ask of an algorithm, and what it must say."""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    """One question, as a transform's method takes it, and the answer.

    Attributes:
        algorithm: its name.
        operation: the method: `digest`, `encrypt`, `verify` ...
        arguments: its arguments in order.
        expected: the bytes; None where there are none to give; or the class of the exception that must be raised.
        origin: where this stands, for the message of a failing test.
        parameters: of the transform.
    """

    algorithm: str
    operation: str
    arguments: tuple[bytes, ...]
    expected: bytes | type[Exception] | None
    origin: str
    parameters: dict[str, object]
