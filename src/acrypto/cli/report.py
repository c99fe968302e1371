"""What commands say: errors on standard error, tables and JSON on standard output."""

from __future__ import annotations

import sys

from acrypto.model.errors import AcryptoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from acrypto.streams.tally import Tally


class Interrupted(BaseException):
    """A signal asks the command to end; temporary files are removed on its way up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def reason(error: BaseException) -> str:
    """An error as a sentence, without the file's name."""
    if isinstance(error, OSError) and not isinstance(error, AcryptoError) and error.strerror:
        advice = "; --force overwrites it" if isinstance(error, FileExistsError) else ""
        return error.strerror + advice
    return str(error) or type(error).__name__


def complain(file: str | None, error: BaseException) -> None:
    """Tells an error as `acrypto: FILE: message`."""
    if file is None and isinstance(error, OSError) and error.filename is not None:
        file = str(error.filename)
    if file == "-":
        file = "standard input"
    warn(reason(error) if file is None else f"{file}: {reason(error)}")


def warn(message: str) -> None:
    """Tells something on standard error."""
    # Names that are not UTF-8 come out escaped.
    print(f"acrypto: {message}", file=sys.stderr)


def tell(row: object, *, to_stderr: bool = False) -> None:
    """Prints one JSON object on one line."""
    import json

    print(json.dumps(row), file=sys.stderr if to_stderr else sys.stdout)


def speed(tally: Tally, nbytes: int) -> dict[str, object]:
    """The part of a file's account that all commands share."""
    seconds = tally.seconds
    device, driver, lane = tally.runner or (None, None, None)
    return {
        "seconds": round(seconds, 6),
        "mb_per_s": round(nbytes / max(seconds, 1e-9) / 1e6, 1),
        "device": device,
        "driver": driver,
        "lane": lane,
    }


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[int] = ()) -> None:
    """Prints aligned columns; those whose numbers are in `right` to the right."""
    cells = [list(headings), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    to_right = set(right)
    for row in cells:
        aligned = (
            cell.rjust(width) if at in to_right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(aligned).rstrip())
