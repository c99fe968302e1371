"""One known answer: what to ask of a transform, and what it must say."""

from __future__ import annotations

from acrypto.model.errors import AuthenticationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Answer:
    """A question in the words of a transform's method.

    Attributes:
        operation: the method: `digest`, `encrypt`, `verify` ...
        arguments: its arguments in order.
        expected: the bytes; None where there are none to give; or the exception that must be raised.
        source: where it is published.
        params: of the transform.
    """

    __slots__ = ("arguments", "expected", "operation", "params", "source")

    def __init__(
        self,
        operation: str,
        arguments: tuple[bytes, ...],
        expected: bytes | type[Exception] | None,
        source: str,
        **params: Any,
    ) -> None:
        self.operation = operation
        self.arguments = arguments
        self.expected = expected
        self.source = source
        self.params = params


def counting(first: int, size: int) -> bytes:
    """Bytes that count upwards from `first`: the keys and messages of answers made by ourselves."""
    return bytes((first + number) % 256 for number in range(size))


def both_ways(nonce: bytes, plain: bytes, sealed: bytes, source: str, *ad: bytes, **params: Any) -> list[Answer]:
    """Encrypting and decrypting."""
    return [
        Answer("encrypt", (nonce, plain, *ad), sealed, source, **params),
        Answer("decrypt", (nonce, sealed, *ad), plain, source, **params),
    ]


def checked(operation: str, message: bytes, tag: bytes, source: str, key: bytes, **params: Any) -> list[Answer]:
    """A tag, its check, and the check of a wrong one."""
    wrong = bytes([tag[0] ^ 1]) + tag[1:]
    return [
        Answer(operation, (message,), tag, source, key=key, **params),
        Answer("verify", (tag, message), None, source, key=key, **params),
        Answer("verify", (wrong, message), AuthenticationError, f"{source}, a wrong one", key=key, **params),
    ]
