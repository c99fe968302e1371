"""Options that several commands share."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any

import click

from acrypto.cli.report import Interrupted
from acrypto.model.errors import NoEngine, UnknownAlgorithm, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from acrypto.layer.layer import Layer

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size(text: str) -> int:
    """A number of bytes: `4096`, `64K`, `10M`, `2G`."""
    number = text.upper().rstrip("KMGT")
    unit = text.upper()[len(number) :]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()):
        raise click.BadParameter(f"{text!r} is not a size: bytes, or a number with K, M or G behind")
    return int(number) * _UNITS[unit]


def size_or_none(text: str) -> int:
    """A number of bytes, or -1 for the word `none`."""
    return -1 if text == "none" else size(text)


def files(function: Callable[..., Any]) -> Callable[..., Any]:
    """The files to work on; `-` or none is standard input."""
    return click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE]...")(function)


def as_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """The switch for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")(function)


def digests(function: Callable[..., Any]) -> Callable[..., Any]:
    """Digests made in the same pass."""
    helped = "Also print this digest of what went in and of what came out; may be given several times."
    return click.option("--digest", "digests", multiple=True, metavar="NAME", help=helped)(function)


def threads(function: Callable[..., Any]) -> Callable[..., Any]:
    """How many workers."""
    helped = "Worker threads; as many as there are CPUs if not given."
    return click.option("-T", "--threads", type=click.IntRange(1, 1024), metavar="N", help=helped)(function)


def mapping(function: Callable[..., Any]) -> Callable[..., Any]:
    """Whether files are mapped."""
    helped = "Map large files, 64 MiB at most at once, or read them; a file that shrinks while it is mapped kills us."
    return click.option("--mmap/--no-mmap", "mapped", default=False, show_default=True, help=helped)(function)


def where(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where results go."""
    function = click.option("-c", "--stdout", "to_stdout", is_flag=True, help="Write to standard output.")(function)
    return click.option("-o", "--output", type=click.Path(), metavar="OUT", help="Name of the result.")(function)


def handling(function: Callable[..., Any]) -> Callable[..., Any]:
    """What becomes of the files that are there, digests, workers, and what is told."""
    told = click.option("-q", "--quiet", is_flag=True, help="Say nothing on success, on a terminal either.")
    remove = click.option("--rm", "remove", is_flag=True, help="Remove each file when its result is whole.")
    force = click.option("--force", is_flag=True, help="Overwrite files, follow links, write to a terminal.")
    return force(remove(digests(threads(told(as_json(function))))))


@contextmanager
def layer(threads: int | None = None) -> Iterator[Layer]:
    """A layer for one command: every engine present, with little memory kept for reuse."""
    from acrypto.layer.layer import open as open_layer
    from acrypto.model.settings import MIB, Settings

    opened = open_layer(settings=Settings(workers=threads, pool_bytes=32 * MIB))
    try:
        yield opened
    except Interrupted:
        # The process ends now: closing would wait for what the workers have begun, which may take half a minute.
        raise
    except BaseException:
        opened.close()
        raise
    opened.close()


def check_format(layer: Layer, name: str, streamed: Iterable[str]) -> None:
    """Sees to it that somebody offers a compression algorithm of that name."""
    try:
        layer.find(name, kind="compression")
    except (UsageError, UnknownAlgorithm, NoEngine) as error:
        names = {*streamed, *(row.name for row in layer.algorithms() if row.kind == "compression")}
        raise click.UsageError(f"{error}; known: {', '.join(sorted(names))}") from None


def suffix(format: str) -> str:
    """What files of a format without an own suffix are called behind; nothing if its name would be a folder's."""
    return f".{format}" if format and "/" not in format else ""


def refuse_terminal(force: bool) -> None:
    """Keeps binary data from a terminal."""
    if not force and os.isatty(1):
        raise click.UsageError("binary data are not written to a terminal; --force does it, -o FILE is better")
