"""The command `acrypto`: runs what is asked for, and turns every outcome into an exit code.

0: done. 1: the data or the operation failed. 2: wrong usage. After a signal it ends as that signal ends a process.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import NoReturn

from acrypto.cli import plain
from acrypto.cli.report import Interrupted, complain, warn
from acrypto.cli.standard import occupy
from acrypto.model.errors import AcryptoError, UnknownAlgorithm, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)


def _die_of(number: int) -> NoReturn:
    """Ends as whoever started us expects of a process that this signal reached."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def _leave(code: int) -> NoReturn:
    """Ends the process at once: taking the interpreter apart costs 10 ms, and every layer is closed already."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    os._exit(code)


def _command(words: list[str]) -> object:
    # The library that reads command lines takes longer to load than most files take to hash.
    if words[:1] == ["digest"] and (asked := plain.digest(words[1:])) is not None:
        from acrypto.cli.printing import print_digests

        return print_digests(asked)
    import click

    from acrypto.cli.commands import cli

    try:
        return cli.main(words, prog_name="acrypto", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code


def run(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    try:
        code = _command(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except (UsageError, UnknownAlgorithm) as error:
        complain(None, error)
        return 2
    except BrokenPipeError:
        raise Interrupted(signal.SIGPIPE) from None
    except (AcryptoError, OSError) as error:
        complain(None, error)
        return 1
    except Exception as error:
        print(f"acrypto: internal error, please report it: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """The entry point of the command."""
    gc.disable()  # a command is short, and makes no garbage that would be worth the looking
    occupy()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - open for as long as the process lives
    if sys.stdout is None:
        warn("standard output is closed")
        sys.exit(1)
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        code = run()
    except Interrupted as interrupted:
        _die_of(interrupted.number)
    _leave(code)
