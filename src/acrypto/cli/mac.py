"""`acrypto mac`."""

from __future__ import annotations

import hmac
import os
import sys

import click

from acrypto.cli import options
from acrypto.cli.hashing import Hashing
from acrypto.cli.report import complain, tell, warn
from acrypto.cli.standard import STDIN
from acrypto.model.errors import UsageError
from acrypto.streams.checksums import format as checksums


@click.command("mac")
@options.files
@click.option("-a", "--algorithm", default="hmac(sha256)", show_default=True, help="Any MAC of `algorithms`.")
@click.option("--key-file", type=click.Path(), metavar="PATH", help="File that holds the key and nothing else.")
@click.option("--key-fd", type=click.IntRange(0), metavar="N", help="File descriptor to read the key from.")
@click.option("--hex", "as_hex", is_flag=True, help="The key is in hexadecimal digits; white space is ignored.")
@click.option("--tag-len", type=click.IntRange(1), metavar="N", help="Bytes of the tag; all if not given.")
@click.option(
    "--check", metavar="TAG", help="Compare with this tag (hexadecimal) instead of printing; exit code 1 if wrong."
)
@options.threads
@options.mapping
@options.as_json
def command(
    files: tuple[str, ...],
    algorithm: str,
    key_file: str | None,
    key_fd: int | None,
    as_hex: bool,
    tag_len: int | None,
    check: str | None,
    threads: int | None,
    mapped: bool,
    as_json: bool,
) -> int:
    """Print or check message authentication codes of files.

    Without FILE, or for -, standard input is read. The key never stands on the command line, where others could read
    it.
    """
    files = files or (STDIN,)
    if (key_file is None) == (key_fd is None):
        raise click.UsageError("the key comes from one of --key-file and --key-fd")
    if check is not None and len(files) > 1:
        raise click.UsageError("--check takes one file")
    wanted = _unhexed(check, "--check") if check is not None else None
    try:
        key = _key(key_file, key_fd)
    except OSError as error:
        complain(key_file or f"descriptor {key_fd}", error)
        return 1
    if as_hex:
        key = _unhexed(key.decode("ascii", "replace"), "the key")
    hashing = Hashing(threads, mapped)
    number = hashing.algorithm("mac", algorithm, key=key, tag_len=tag_len)
    code = 0
    for rows in hashing.run(((file, number) for file in files), files[0] if len(files) == 1 else None):
        for file, row in rows:
            if row.error is not None:
                complain(file, row.error)
                code = 1
                continue
            tag, account = row.result(), hashing.account(file, algorithm, row)
            account["tag"] = account.pop("digest")
            if wanted is not None:
                right = hmac.compare_digest(tag, wanted)
                del account["tag"]
                account["outcome"] = "OK" if right else "FAILED"
                code = max(code, int(not right))
                if not right and not as_json:
                    warn(f"{file}: authentication failed")
            if as_json:
                tell(account)
            elif wanted is None:
                sys.stdout.buffer.write(checksums.line(os.fsencode(file), tag))
        sys.stdout.buffer.flush()
    return code


def _key(path: str | None, descriptor: int | None) -> bytes:
    if descriptor is not None:
        with open(descriptor, "rb") as source:
            return source.read()
    with open(path or "", "rb") as source:
        return source.read()


def _unhexed(text: str, what: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        # Without the text: it may be a key.
        raise UsageError(f"{what} has something else than pairs of hexadecimal digits") from None
