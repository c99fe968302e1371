"""Files of identities and recipients, as age and age-keygen write them: a key a line, comments, blank lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from acrypto.model.errors import CorruptInput, LimitExceeded, UsageError
from acrypto.streams.age.identities import X25519Identity
from acrypto.streams.age.recipients import X25519Recipient

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from typing_extensions import Buffer as BytesLike

    Key = TypeVar("Key")

#: Bytes of such a file: some ten thousand keys.
MOST_BYTES = 1 << 20


def identities(data: BytesLike, name: str = "") -> list[X25519Identity]:
    """The identities in a file, in order.

    Args:
        data: its contents.
        name: for messages.

    Raises:
        CorruptInput: a line is no identity, or there is none; it tells the line's number, and nothing of the line.
        LimitExceeded: it is longer than 1 MiB.
    """
    return _keys(data, name, "identity", X25519Identity.parse)


def recipients(data: BytesLike, name: str = "") -> list[X25519Recipient]:
    """The recipients in a file, in order.

    Args:
        data: its contents.
        name: for messages.

    Raises:
        CorruptInput: a line is no recipient, or there is none; it tells the line's number.
        LimitExceeded: it is longer than 1 MiB.
    """
    return _keys(data, name, "recipient", X25519Recipient.parse)


def _keys(data: BytesLike, name: str, what: str, parse: Callable[[str], Key]) -> list[Key]:
    whole = bytes(data)
    where = f" of {name}" if name else ""
    if len(whole) > MOST_BYTES:
        raise LimitExceeded(f"{name or 'a key file'} has over {MOST_BYTES} bytes", MOST_BYTES)
    found = []
    offset = 0
    for number, line in enumerate(whole.split(b"\n"), 1):
        text = line.removesuffix(b"\r")
        if text and not text.startswith(b"#"):
            try:
                found.append(parse(text.decode("ascii")))
            except UnicodeDecodeError:
                raise CorruptInput(f"line {number}{where} is no {what}: not ASCII", offset) from None
            except UsageError as error:
                raise CorruptInput(f"line {number}{where}: {error}", offset) from None
        offset += len(line) + 1
    if not found:
        raise CorruptInput(f"no {what}{' in ' + name if name else ''}", offset)
    return found


def identity_file(identity: X25519Identity, created: datetime) -> str:
    """A file of one identity, as age-keygen writes it.

    Args:
        identity: whose secret it holds.
        created: when, for the comment.
    """
    stamp = created.isoformat(timespec="seconds")
    return f"# created: {stamp}\n# public key: {identity.recipient}\n{identity.export()}\n"
