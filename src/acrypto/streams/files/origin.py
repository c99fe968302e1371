"""What a file that is read lies on: pieces from its beginning on, and any place of it where it has such."""

from __future__ import annotations

import io
import os
import stat
from typing import TYPE_CHECKING, Any

from acrypto.model.errors import UsageError
from acrypto.streams import sources, stage
from acrypto.streams.place import FilePlace, ObjectPlace, called, descriptor_of, is_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto.layer.layer import Layer
    from acrypto.streams.place import Place
    from acrypto.streams.stage import Piece

#: How pieces are read: a MiB each, three ahead.
HOW = sources.Settings(stage.PIECE, 3, 8 << 20, False, "auto")


class PlaceSource(sources.Source):
    """What is read at any place, from its beginning on. Whoever else reads there is not in its way.

    Args:
        place: what is read.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.name = place.name
        self.total = place.size

    def pieces(self) -> Iterator[Piece]:
        """The data."""
        at = 0
        while piece := self._place.read(at, stage.PIECE):
            at += len(piece)
            yield piece


class Origin:
    """A path, a descriptor or a file object to read from, from where it stands.

    Args:
        layer: whose pool lends memory.
        file: which.

    Attributes:
        place: where it is read at any place; None of a pipe and the like.
        name: for errors and for `name` of the file.

    Raises:
        UsageError: it is no file.
        OSError: it cannot be opened.
    """

    def __init__(self, layer: Layer, file: Any) -> None:
        self._layer = layer
        self._file = file
        self._owned: int | None = None
        self.place: Place | None = None
        self.name = os.fsdecode(file) if is_path(file) else called(file)
        if is_path(file):
            assert self.name is not None
            self._descriptor: int | None = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC)
            self._owned = self._descriptor
        else:
            # What a pipe's reader has buffered is not to be had from its descriptor.
            buffered_pipe = isinstance(file, io.BufferedReader) and not file.seekable()
            self._descriptor = None if buffered_pipe else descriptor_of(file)
        try:
            self._find_place()
        except BaseException:
            self.close()
            raise

    def _find_place(self) -> None:
        file = self._file
        if self._descriptor is None:
            if not hasattr(file, "read"):
                wanted = "a path, a descriptor or a file object is wanted"
                raise UsageError(f"file is of type {type(file).__name__}; {wanted}")
            seekable = getattr(file, "seekable", None)
            if seekable is not None and seekable():
                self.place = ObjectPlace(file, file.tell())
            return
        mode = os.fstat(self._descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(21, os.strerror(21), self.name)
        if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
            if self._owned is not None:
                base = 0
            else:
                base = os.lseek(self._descriptor, 0, os.SEEK_CUR) if type(file) is int else file.tell()
            self.place = FilePlace(self._descriptor, base=base, name=self.name)

    def source(self) -> sources.Source:
        """The bytes from the beginning on. Of a pipe it is given only once."""
        if isinstance(self.place, FilePlace):
            place = self.place
            return sources.FileSource(self._layer, place.descriptor, HOW, name=self.name, offset=place.base)
        if self._descriptor is not None:
            return sources.FileSource(self._layer, self._descriptor, HOW, name=self.name)
        if self.place is not None:
            return PlaceSource(self.place)
        return sources.ReadSource(self._layer, self._file, HOW, None)

    def close(self) -> None:
        """Closes what was opened here."""
        if self._owned is not None:
            owned, self._owned = self._owned, None
            os.close(owned)
