"""The command `acrypto`: finds the command asked for, and turns every outcome into an exit code.

0: done. 1: the data or the operation failed. 2: wrong usage. After a signal it ends as that signal ends a process.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from acrypto.cli.report import Interrupted, complain, warn
from acrypto.cli.standard import occupy
from acrypto.model.errors import AcryptoError, UnknownAlgorithm, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# A new command is one line here; its file holds a click command called `command`.
COMMANDS = {
    "compress": "Compress files on all cores.",
    "decompress": "Decompress files, or test them.",
    "encrypt": "Encrypt files to public keys or a passphrase (age).",
    "decrypt": "Decrypt age files, or test them.",
    "keygen": "Make a key pair for encrypt and decrypt.",
    "run": "Send a file through several stages in one pass.",
    "digest": "Print or check digests of files.",
    "mac": "Print or check message authentication codes of files.",
    "random": "Write random bytes.",
    "algorithms": "List algorithms and who offers them.",
    "devices": "List devices, their queues and counters.",
    "doctor": "Tell what works here, and why something does not.",
    "bench": "Measure this machine in about ten seconds.",
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Commands(click.Group):
    """Loads only the command that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        found = importlib.import_module(f"acrypto.cli.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from acrypto._core import build_info

        click.echo(f"acrypto {build_info()['version']}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """Crypto and compression on every engine that this machine has.

    Sizes are bytes; K, M and G behind a number mean powers of 1024. MB/s are 10^6 uncompressed bytes a second.
    Exit codes: 0 done, 1 the data or the operation failed, 2 wrong usage.
    """


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


def run(arguments: list[str] | None = None) -> int:
    """Runs one command; the exit code."""
    try:
        code = cli.main(arguments, prog_name="acrypto", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
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
