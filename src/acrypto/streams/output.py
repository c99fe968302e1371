"""Raw files to write to that tell their own name when writing fails, and not that of what was read."""

from __future__ import annotations

from io import FileIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer as BytesLike


class Output(FileIO):
    """A raw file that is open for writing.

    Args:
        descriptor: of the open file.
        called: its name in errors.
        closefd: whether the descriptor is closed with it.
    """

    def __init__(self, descriptor: int, called: str, *, closefd: bool = True) -> None:
        super().__init__(descriptor, "wb", closefd=closefd)
        self.called = called

    def write(self, data: BytesLike, /) -> int:
        """Writes some of `data`; tells how many bytes."""
        try:
            return super().write(data)
        except OSError as error:
            error.filename = self.called
            raise

    def close(self) -> None:
        """Closes it; some filesystems tell only now that there was no room."""
        try:
            super().close()
        except OSError as error:
            error.filename = self.called
            raise
