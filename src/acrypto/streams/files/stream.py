"""Content from its beginning on: what the stages make of the pieces of a file, pulled as it is wanted."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from acrypto.model.errors import UsageError
from acrypto.streams import flow
from acrypto.streams.decompress import HEAD, Decompress, detect
from acrypto.streams.files import forms
from acrypto.streams.parse import Incoming
from acrypto.streams.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer as BytesLike

    from acrypto.layer.layer import Layer
    from acrypto.streams.age.identities import Identity
    from acrypto.streams.files.origin import Origin
    from acrypto.streams.stage import Piece, Stage, Work


class Keys:
    """Who reads what is encrypted.

    Args:
        identities: as `Decrypt` takes them.
        passphrase: likewise.
    """

    def __init__(self, identities: Iterable[Identity | str] | None, passphrase: str | BytesLike | None) -> None:
        self.identities = list(identities or ())
        self.passphrase = passphrase

    def check(self) -> None:
        """Raises UsageError if there are none."""
        if not self.identities and self.passphrase is None:
            raise UsageError("the file is encrypted with age; identities or a passphrase are wanted")


class Inner:
    """The stage that decompresses what is compressed, and passes on what is not."""

    name = "decompress"
    piece = 1 << 20

    def pieces(self, work: Work, upstream: Iterator[Piece | None]) -> Iterator[Piece | None]:
        """The content."""
        incoming = Incoming(upstream)
        format = detect(incoming.peek(HEAD))
        if format is None:
            yield from _rest(incoming)
        else:
            yield from Decompress(format, limited=False).pieces(work, _rest(incoming))


def _rest(incoming: Incoming) -> Iterator[Piece]:
    while len(piece := incoming.take_piece()):
        yield piece


class Stream:
    """The content of a file, piece by piece. One thread at a time.

    Args:
        layer: whose engines work.
        origin: the file.
        form: its formats; None if its first bytes tell.
        keys: who reads.

    Attributes:
        at: of the content, where the next piece begins.
    """

    def __init__(self, layer: Layer, origin: Origin, form: forms.Form | None, keys: Keys) -> None:
        self.at = 0
        self._failure: Exception | None = None
        self._source = origin.source()
        tally = Tally()
        try:
            pieces: Iterator[Piece | None] = iter(self._source.pieces())
            if form is None:
                # A source may give any few bytes at a time.
                first: list[Piece] = []
                head = b""
                while len(head) < forms.HEAD and (piece := next(pieces, None)) is not None:
                    first.append(piece)
                    head += memoryview(piece)[: forms.HEAD - len(head)]
                pieces = chain(first, pieces)
                stages = _found(head, keys)
            else:
                stages = _told(form, keys)
            self._pieces, self._close = flow.flow(stages, flow.works(layer, tally, stages), pieces)
        except BaseException:
            self._source.close()
            raise

    def next(self) -> memoryview | None:
        """The next piece, not empty; None at the end.

        Raises:
            CorruptInput: the data are damaged.
            AuthenticationError: they were changed, or no key opens them.
            OSError: reading failed.
        """
        if self._failure is not None:
            raise self._failure  # what ended in an error has not come to its end
        try:
            for piece in self._pieces:
                if piece is not None and len(piece):
                    self.at += len(piece)
                    return memoryview(piece)
        except Exception as error:
            self._failure = error
            raise
        return None

    def close(self) -> None:
        """Ends what is in flight."""
        try:
            self._close()
        finally:
            self._source.cancel()
            self._source.close()


def _found(head: bytes, keys: Keys) -> list[Stage]:
    if forms.is_age(head):
        return [_decrypt(keys), Inner()]
    return [Decompress(limited=False)]


def _told(form: forms.Form, keys: Keys) -> list[Stage]:
    stages: list[Stage] = [_decrypt(keys)] if form.encrypted else []
    if form.compressed is not None:
        stages.append(Decompress(form.compressed, limited=False))
    return stages


def _decrypt(keys: Keys) -> Stage:
    from acrypto.streams.age.decrypt import Decrypt

    keys.check()
    return Decrypt(keys.identities, passphrase=keys.passphrase)
