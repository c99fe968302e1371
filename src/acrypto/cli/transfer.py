"""What `compress`, `encrypt` and `run` and their reverses share: from a file or pipe to a file or pipe, safely."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys

import click

from acrypto.cli import standard
from acrypto.cli.progress import Progress
from acrypto.cli.report import Interrupted, complain, speed, tell
from acrypto.cli.standard import STDIN
from acrypto.model.errors import AcryptoError, LimitExceeded, UnknownAlgorithm, UsageError
from acrypto.streams.checksums import format as checksums
from acrypto.streams.digest import Digest
from acrypto.streams.pipeline import Pipeline
from acrypto.streams.replacement import Replacement
from acrypto.streams.tally import Tally

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from io import FileIO
    from typing import Any

    from acrypto.layer.layer import Layer
    from acrypto.streams.run import Result
    from acrypto.streams.stage import Stage

    #: What is done to a source, of whose state is told if it is a file.
    Stages = Callable[[FileIO, os.stat_result | None], Sequence[Stage]]


class Transfer:
    """One run over the files of a command line.

    Args:
        operation: its name, for the account.
        layer: whose engines work.
        stages: what is done; the last one has a `format` for the account.
        output: one name for the result; else the sibling's, or standard output for standard input.
        sibling: the name of a file's result, or None if it has none.
        to_stdout: whether everything goes to standard output.
        discard: whether nothing is written at all.
        force: whether files may be overwritten, and links and special files be read.
        remove: whether a source is removed when its result is whole.
        as_json: whether accounts are told as JSON.
        quiet: whether nothing is told on success.
        digests: algorithms of digests of both sides.
        advice: what to do about a limit that was exceeded.
    """

    def __init__(
        self,
        operation: str,
        layer: Layer,
        stages: Stages,
        *,
        output: str | None,
        sibling: Callable[[str], str | None],
        to_stdout: bool,
        discard: bool,
        force: bool,
        remove: bool,
        as_json: bool,
        quiet: bool,
        digests: Sequence[str] = (),
        advice: str = "",
    ) -> None:
        self._operation = operation
        self._layer = layer
        self._stages = stages
        self._digests = digests
        self._advice = advice
        self._output = output
        self._sibling = sibling
        self._to_stdout = to_stdout or output == STDIN
        self._discard = discard
        self._force = force
        self._remove = remove
        self._as_json = as_json
        self._quiet = quiet

    def run(self, files: tuple[str, ...]) -> int:
        """Works on all files, whatever becomes of one; the exit code."""
        files = files or (STDIN,)
        if self._output not in {None, STDIN} and (len(files) > 1 or self._to_stdout or self._discard):
            raise click.UsageError("-o takes one input file, and neither --stdout nor --test beside it")
        if self._remove and (self._to_stdout or self._discard):
            raise click.UsageError("--rm goes with results in files only")
        code = 0
        for file in files:
            try:
                self._one(file)
            except (UsageError, UnknownAlgorithm):
                raise
            except LimitExceeded as error:
                complain(file, LimitExceeded(f"{error}{self._advice}", error.limit))
                code = 1
            except BrokenPipeError:
                raise Interrupted(signal.SIGPIPE) from None
            except (AcryptoError, OSError) as error:
                named = (
                    isinstance(error, OSError) and not isinstance(error, AcryptoError) and error.filename is not None
                )
                complain(None if named else file, error)
                code = 1
        return code

    def _one(self, file: str) -> None:
        with standard.source(file) as source:
            state = os.fstat(source.fileno())
            if stat.S_ISDIR(state.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), file)
            if self._discard:
                self._move(file, source, state, None, None)
            elif self._to_stdout or (file == STDIN and self._output is None):
                with standard.sink() as sink:
                    self._move(file, source, state, sink, STDIN)
            else:
                self._to_file(file, source, state)

    def _to_file(self, file: str, source: FileIO, state: os.stat_result) -> None:
        target = self._output
        if target is None:
            target = self._sibling(file)
            if target is None:
                raise OSError(errno.EINVAL, "its name has no known suffix; -o names the result", file)
            if os.path.islink(file) and not self._force:
                raise OSError(errno.ELOOP, "is a symbolic link; --force or --stdout reads what it points to", file)
            if not stat.S_ISREG(state.st_mode):
                raise OSError(errno.EINVAL, "is not a regular file; --stdout or -o reads it", file)
        if _is_same(target, state):
            raise OSError(errno.EINVAL, "input and output are the same file", file)
        regular = stat.S_ISREG(state.st_mode) and file != STDIN
        with Replacement(target, force=self._force) as result:
            row = self._move(file, source, state, result.file, target, tell_it=False)
            becomes_file = result.is_temporary
            result.commit(state if regular else None)
        if self._remove and regular and becomes_file:
            os.unlink(file)
        self._tell(row)

    def _move(
        self,
        file: str,
        source: FileIO,
        state: os.stat_result,
        sink: FileIO | None,
        target: str | None,
        *,
        tell_it: bool = True,
    ) -> dict[str, Any]:
        regular = stat.S_ISREG(state.st_mode)
        total = state.st_size if regular else None
        with Progress(os.path.basename(file), total, as_json=self._as_json) as progress:
            tally = Tally(progress.watch)
            stages = self._stages(source, state if regular and file != STDIN else None)
            sides = [Digest(*self._digests)] if self._digests else []
            result = Pipeline(self._layer, source, [*sides, *stages, *sides], sink, tally=tally).drive()
        format = getattr(stages[-1], "found", None) or getattr(stages[-1], "format", None)
        plain, packed = tally.bytes_in, tally.bytes_out
        if self._operation == "decompress":
            plain, packed = packed, plain
        row: dict[str, Any] = {
            "operation": self._operation,
            "file": file,
            "output": target,
            "format": format,
            "bytes_in": tally.bytes_in,
            "bytes_out": tally.bytes_out,
            "ratio": round(plain / packed, 4) if packed else 0.0,
            **speed(tally, plain),
        }
        if result.digests:
            row["digests"] = _digests(result, [*sides, *stages, *sides], bool(sides))
        if tell_it:
            self._tell(row)
        return row

    def _tell(self, row: dict[str, Any]) -> None:
        if self._as_json:
            # Standard output may be carrying the data.
            tell(row, to_stderr=row["output"] == STDIN)
        elif not self._quiet and sys.stderr.isatty():
            there = "tested" if row["output"] is None else f"-> {row['output']}"
            where = f" on {row['device']} ({row['driver']}, {row['lane']})" if row["device"] else ""
            sizes = f"{row['bytes_in']:,} -> {row['bytes_out']:,} bytes, ratio {row['ratio']:.2f}"
            print(f"{row['file']} {there}: {sizes}, {row['mb_per_s']:,.0f} MB/s{where}", file=sys.stderr)
        if not self._as_json:
            self._tell_digests(row)

    def _tell_digests(self, row: dict[str, Any]) -> None:
        """In the tagged lines that `digest --check` reads; on standard error where standard output carries data."""
        files = {"in": row["file"], "out": row["output"] or STDIN}
        stream = sys.stderr if row["output"] == STDIN else sys.stdout
        for side, values in row.get("digests", {}).items():
            # What was between two stages is in no file: the line tells how it came to be.
            name = files.get(side, f"{row['file']} | {side}")
            for algorithm, value in values.items():
                line = checksums.line(os.fsencode(name), bytes.fromhex(value), algorithm)
                stream.buffer.write(line)
                stream.buffer.flush()


def _digests(result: Result, stages: Sequence[Stage], sides: bool) -> dict[str, dict[str, str]]:
    """The digests by what they are of: `in`, `out`, or the names of the stages that made it, separated by `|`.

    Args:
        result: of the run.
        stages: all that ran.
        sides: whether the first and the last one are the digests of both sides.
    """
    found: dict[str, dict[str, str]] = {"in": {}, "out": {}} if sides else {}
    made_by = [each.name for each in stages if not isinstance(each, Digest)]
    for digest in result.digests:
        before = [each.name for each in stages[: digest.stage] if not isinstance(each, Digest)]
        side = " | ".join(before)
        if sides and digest.stage == len(stages) - 1:
            side = "out"
        elif not before:
            side = "in"
        elif len(before) == len(made_by):
            side = "out"
        found.setdefault(side, {})[digest.algorithm] = digest.value.hex()
    return found


def _is_same(target: str, source: os.stat_result) -> bool:
    """Whether a name belongs to the source itself, whose contents the result would overwrite."""
    if not (stat.S_ISREG(source.st_mode) or stat.S_ISBLK(source.st_mode)):
        return False  # a terminal or /dev/null is both at once
    try:
        there = os.stat(target)
    except OSError:
        return False  # whoever opens it tells
    if stat.S_ISBLK(source.st_mode) and stat.S_ISBLK(there.st_mode):
        return source.st_rdev == there.st_rdev  # one device may have many nodes
    return os.path.samestat(source, there)
