"""Stages as one writes them on a command line: `zstd:3 | age:-r age1... | digest:sha256`."""

from __future__ import annotations

import shlex

import click

from acrypto.streams.compress import SUFFIXES, Compress
from acrypto.streams.decompress import MAGICS, Decompress
from acrypto.streams.digest import Digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.layer.layer import Layer
    from acrypto.streams.stage import Stage


def parse(text: str, layer: Layer, *, max_output: int | None = None) -> list[Stage]:
    """The stages that a text names, separated by `|`, each with its own words behind a colon.

    Args:
        text: what was written.
        layer: whose algorithms may be named.
        max_output: of decompression; -1 for no limit.

    Raises:
        click.UsageError: there is no such stage, or what stands behind it is wrong; with what was written.
    """
    stages = []
    for written in text.split("|"):
        name, _, rest = written.strip().partition(":")
        if not name:
            raise click.UsageError(f"{text!r} has an empty stage")
        try:
            stages.append(_stage(name, rest.strip(), layer, max_output))
        except (click.UsageError, ValueError) as error:
            # Of what stands behind it only the kind of mistake is told: it may be a secret in the wrong place.
            message = error.message if isinstance(error, click.UsageError) else str(error)
            raise click.UsageError(f"stage {name!r}: {message}") from None
    return stages


def _stage(name: str, rest: str, layer: Layer, max_output: int | None) -> Stage:
    if name == "digest":
        algorithms = rest.replace(",", " ").split()
        if not algorithms:
            raise click.UsageError("names no algorithm; digest:sha256")
        return Digest(*algorithms)
    if name == "decompress":
        return _decompress(rest or None, layer, max_output)
    if name in {"age", "decrypt"}:
        from acrypto.cli import age

        words = shlex.split(rest)
        return age.encrypt_stage(words) if name == "age" else age.decrypt_stage(words)
    level = _level(rest)
    if name in SUFFIXES:
        return Compress(name, level)
    from acrypto.cli import options
    from acrypto.streams.whole import WholeCompress

    options.check_format(layer, name, (*SUFFIXES, "decompress", "digest", "age", "decrypt"))
    return WholeCompress(name, level)


def _decompress(format: str | None, layer: Layer, max_output: int | None) -> Stage:
    limited = max_output != -1
    most = max_output if limited else None
    if format is None or format in MAGICS:
        return Decompress(format, max_output=most, limited=limited)
    from acrypto.cli import options
    from acrypto.streams.whole import WholeDecompress

    options.check_format(layer, format, MAGICS)
    return WholeDecompress(format, max_output=most, limited=limited)


def _level(rest: str) -> int | None:
    if not rest:
        return None
    try:
        return int(rest)
    except ValueError:
        raise click.UsageError(f"level is {rest!r}, a number is wanted") from None
