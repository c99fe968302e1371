"""`acrypto keygen`."""

from __future__ import annotations

import os
import sys
from datetime import datetime

import click

from acrypto.cli import standard
from acrypto.cli.age import KeyFile
from acrypto.cli.standard import STDIN
from acrypto.streams.age import X25519Identity, keyfiles
from acrypto.streams.replacement import Replacement


@click.command("keygen")
@click.argument("file", type=click.Path(), required=False, metavar="[FILE]")
@click.option("-o", "--output", type=click.Path(), metavar="OUT", help="File to write; only its owner may read it.")
@click.option("-y", "convert", is_flag=True, help="Write the public keys of the secret ones in FILE instead.")
@click.option("--force", is_flag=True, help="Overwrite a file.")
def command(file: str | None, output: str | None, convert: bool, force: bool) -> int:
    """Make a key pair for `encrypt` and `decrypt`, as age-keygen does.

    The secret key goes to standard output, or to OUT; the public one, which others encrypt to, stands in a comment
    beside it, and on standard error.
    """
    if convert:
        found = KeyFile(STDIN if file is None else file).identities()
        text = "".join(f"{identity.recipient}\n" for identity in found)
        _write(text, output, force=force, private=False)
        return 0
    if file is not None:
        raise click.UsageError("FILE goes with -y; -o OUT names the file to write")
    identity = X25519Identity.generate()
    _write(keyfiles.identity_file(identity, datetime.now().astimezone()), output, force=force, private=True)
    if output is not None or not os.isatty(1):
        print(f"Public key: {identity.recipient}", file=sys.stderr)
    return 0


def _write(text: str, output: str | None, *, force: bool, private: bool) -> None:
    if output is None or output == STDIN:
        with standard.sink() as sink:
            sink.write(text.encode())
        return
    with Replacement(output, force=force, private=private) as result:
        result.file.write(text.encode())
        result.commit()
