"""All commands: what each is for, and where it is found."""

from __future__ import annotations

import importlib

import click

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
    "config": "Configure the soft devices of the engine iaa.",
    "doctor": "Tell what works here, and why something does not.",
    "bench": "Measure this machine in under half a minute.",
}


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
