"""Reads age files: nothing is given before its chunk was verified, and the end only if it is the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from acrypto import _core
from acrypto.model.errors import AuthenticationError, CorruptInput
from acrypto.streams import stage
from acrypto.streams.age import armor, format, keys
from acrypto.streams.age.identities import identities_of, unwrapped
from acrypto.streams.parse import Incoming
from acrypto.streams.window import ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Buffer as BytesLike

    from acrypto._core import Buffer, Operation, Transform
    from acrypto.streams.age.format import Header
    from acrypto.streams.age.identities import Identity
    from acrypto.streams.stage import Piece, Work

#: Chunks that are opened by one operation.
CHUNKS = 16
OPERATION = CHUNKS * keys.SEALED
#: Bytes that most headers fit in.
FIRST_LOOK = 4096


class Decrypt:
    """The stage that decrypts age v1, binary or armored.

    Args:
        identities: who reads: `X25519Identity`s, or their text (`AGE-SECRET-KEY-1...`), `ScryptIdentity`s.
        passphrase: also tried, or alone; files that ask for a larger work factor than 20 are refused with it.

    Raises:
        UsageError: there is no identity and no passphrase.
    """

    format = "age"

    def __init__(self, identities: Iterable[Identity | str] = (), *, passphrase: str | BytesLike | None = None) -> None:
        self._identities = identities_of(identities, passphrase)

    @property
    def name(self) -> str:
        """What it is called in accounts."""
        return "decrypt age"

    @property
    def piece(self) -> int:
        """The size of pieces that it likes best, in bytes."""
        return stage.PIECE

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The contents. What came before an error is authentic, and only a part of them.

        Raises:
            CorruptInput: not an age file, malformed, truncated, or followed by something else; with the offset, which
                counts the armored file's bytes without its armor.
            AuthenticationError: no identity opens it, or it was changed.
            LimitExceeded: its passphrase asks for more work than is allowed.
        """
        incoming = Incoming(upstream)
        if armor.is_armored(incoming):
            incoming = Incoming(armor.decoded(incoming))
        header = read_header(incoming)
        file_key = unwrapped(header, self._identities)
        try:
            incoming.skip(header.length)
            nonce = incoming.peek(keys.NONCE_LEN)
            incoming.skip(len(nonce))
            if len(nonce) < keys.NONCE_LEN:
                raise _truncated(incoming.offset)
            transform = payload_transform(work, file_key, nonce)
        finally:
            keys.wipe(file_key)
        yield from opened(work, transform, incoming)


def read_header(incoming: Incoming) -> Header:
    """The header that comes, which is not consumed."""
    look = FIRST_LOOK
    while True:
        head = incoming.peek(look)
        header = format.parse(head, ended=len(head) < look)
        if header is not None:
            return header
        look *= 4


def payload_transform(work: Work, file_key: bytearray, nonce: bytes) -> Transform:
    """What opens a payload."""
    key = keys.payload_key(file_key, nonce)
    try:
        return work.layer.transform(keys.STREAM, key=key, unit=keys.CHUNK)
    finally:
        keys.wipe(key)


class _Part(NamedTuple):
    """Chunks that are opened by one operation: where they lie, the first one's number, whether the last is final."""

    source: list[memoryview]
    number: int
    offset: int
    is_final: bool


def opened(work: Work, transform: Transform, incoming: Incoming) -> Iterator[Piece | None]:
    """The plaintext of the payload behind its nonce."""
    flaw: CorruptInput | None = None

    def jobs() -> Iterator[tuple[Operation[Buffer], _Part, int]]:
        nonlocal flaw
        number, is_last = 0, False
        while not is_last:
            # One byte more than that says that this is not the end.
            is_last = not incoming.need(OPERATION + 1)
            nbytes = min(incoming.have, OPERATION)
            if is_last and (flaw := _flaw(nbytes, number, incoming.offset)) is not None:
                # The chunks before it are as good as ever, but none of them is the final one.
                nbytes = nbytes // keys.SEALED * keys.SEALED
                if not nbytes:
                    return
            part = _Part(incoming.take(nbytes), number, incoming.offset - nbytes, is_last and flaw is None)
            yield transform.decrypt(_nonce(part), part.source, mode=work.mode), part, nbytes
            number += CHUNKS

    for job in ordered(work, jobs()):
        assert job is not None  # what parses is never fed
        operation, part = job
        try:
            text = operation.wait()
        except AuthenticationError:
            yield from _one_by_one(transform, part)
            continue
        work.tally.ran(operation)
        yield text
    if flaw is not None:
        raise flaw


def _nonce(part: _Part) -> bytes:
    return keys.chunk_nonce(part.number, is_final=part.is_final)


def _flaw(nbytes: int, number: int, offset: int) -> CorruptInput | None:
    """What is wrong with the length of the last chunks, of which the first has this number and offset."""
    rest = nbytes % keys.SEALED
    if nbytes and not rest:
        return None
    if rest < keys.TAG_LEN:
        return _truncated(offset + nbytes)
    if rest == keys.TAG_LEN and (number or nbytes > keys.TAG_LEN):
        return _corrupt("an empty final chunk", offset + nbytes - rest)
    return None


def _one_by_one(transform: Transform, part: _Part) -> Iterator[Buffer]:
    """The chunks before the one that is wrong, and then what is wrong with it."""
    incoming = Incoming(iter(part.source))
    number = part.number
    while incoming.need(1):
        offset = part.offset + incoming.offset
        incoming.need(keys.SEALED)
        source = incoming.take(min(incoming.have, keys.SEALED))
        is_last = not incoming.need(1)
        should_be_final = part.is_final and is_last
        try:
            yield transform.decrypt(keys.chunk_nonce(number, is_final=should_be_final), source).wait()
        except AuthenticationError:
            pass
        else:
            number += 1
            continue
        try:
            # As what it should not be: the end of the stream, or not.
            text = transform.decrypt(keys.chunk_nonce(number, is_final=not should_be_final), source).wait()
        except AuthenticationError:
            raise AuthenticationError(f"authentication of the chunk at offset {offset} failed") from None
        yield text
        end = offset + sum(map(len, source))
        raise _truncated(end) if should_be_final else _corrupt("something behind the final chunk", end)
    raise AuthenticationError("authentication failed")  # a device's mistake: one by one they were right


def _truncated(offset: int) -> CorruptInput:
    return _corrupt("truncated", offset)


def _corrupt(what: str, offset: int) -> CorruptInput:
    return CorruptInput(f"{what} at offset {offset}", offset)


def decrypt_small(data: bytes, identities: Sequence[Identity]) -> bytearray:
    """The contents of a small file, such as one of keys, on this thread; the caller wipes them.

    Args:
        data: the whole file, binary or armored.
        identities: who reads.

    Raises:
        CorruptInput: see `Decrypt`, and so are the others.
        AuthenticationError: see there.
        LimitExceeded: see there.
    """
    incoming = Incoming(iter([data]))
    if armor.is_armored(incoming):
        data = b"".join(armor.decoded(incoming))
    header = read_header(Incoming(iter([data])))
    file_key = unwrapped(header, identities)
    start = header.length + keys.NONCE_LEN
    try:
        if len(data) < start:
            raise _truncated(len(data))
        key = keys.payload_key(file_key, data[header.length : start])
    finally:
        keys.wipe(file_key)
    try:
        return _core.unwrap_key(keys.STREAM, key, keys.chunk_nonce(0, is_final=True), data[start:])
    except AuthenticationError:
        raise AuthenticationError("authentication of the contents failed") from None
    finally:
        keys.wipe(key)
