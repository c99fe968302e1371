"""What `encrypt`, `decrypt`, `keygen` and the stages of `run` share: age's options, key files, passphrases.

A passphrase never stands on a command line, where others could read it, and is asked for only if a file wants one.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

import click

from acrypto.cli.standard import STDIN
from acrypto.model.errors import AuthenticationError, CorruptInput, UsageError
from acrypto.streams.age import Decrypt, Encrypt, ScryptIdentity, ScryptRecipient, X25519Recipient, armor, keyfiles
from acrypto.streams.age.decrypt import decrypt_small
from acrypto.streams.age.format import MAGIC
from acrypto.streams.age.identities import MAX_WORK_FACTOR
from acrypto.streams.age.keys import wipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from acrypto.streams.age import Identity, Recipient, X25519Identity
    from acrypto.streams.age.format import Stanza

    Decorated = Callable[..., Any]

#: A passphrase is a line, not a file of data.
MOST_PASSPHRASE = 4096

_PASSPHRASES = (
    click.option(
        "--passphrase-file",
        type=click.Path(),
        metavar="FILE",
        help="File with the passphrase on its only line.",
    ),
    click.option("--passphrase-fd", type=click.IntRange(0), metavar="N", help="File descriptor to read it from."),
)
_RECIPIENTS = (
    click.option("-r", "--recipient", "recipients", multiple=True, metavar="AGE1...", help="A recipient's public key."),
    click.option("-R", "--recipients-file", "recipients_files", multiple=True, metavar="FILE", help="A file of them."),
    click.option(
        "-i", "--identity", "identities", multiple=True, metavar="FILE", help="To the owner of the keys in it."
    ),
    click.option("-p", "--passphrase", "ask", is_flag=True, help="With a passphrase, which is asked for."),
    *_PASSPHRASES,
    click.option("-a", "--armor", is_flag=True, help="Write text instead of binary data."),
)
_IDENTITIES = (
    click.option("-i", "--identity", "identities", multiple=True, metavar="FILE", help="A file of secret keys."),
    click.option("-p", "--passphrase", "ask", is_flag=True, help="Ask for a passphrase though there is -i."),
    *_PASSPHRASES,
    click.option(
        "--max-work-factor",
        type=click.IntRange(1, 30),
        default=MAX_WORK_FACTOR,
        show_default=True,
        metavar="N",
        help="log2 of the most work that a passphrase may cost; its power of two in KiB is the memory.",
    ),
)


def recipients(function: Decorated) -> Decorated:
    """The options that say whom to encrypt to."""
    for option in reversed(_RECIPIENTS):
        function = option(function)
    return function


def identities(function: Decorated) -> Decorated:
    """The options that say who decrypts."""
    for option in reversed(_IDENTITIES):
        function = option(function)
    return function


@click.command("age", add_help_option=False, context_settings={"allow_extra_args": True})
@recipients
def _age(**_given: object) -> None:
    """Never run: the words behind a stage's name are parsed as its."""


@click.command("decrypt", add_help_option=False, context_settings={"allow_extra_args": True})
@identities
def _decrypt(**_given: object) -> None:
    """Likewise."""


def _parsed(command: click.Command, words: Sequence[str]) -> dict[str, Any]:
    context = command.make_context(command.name, list(words))
    if context.args:
        # They may be secrets in the wrong place.
        raise click.UsageError(f"{len(context.args)} words that belong to no option")
    return context.params


def encrypt_stage(words: Sequence[str]) -> Encrypt:
    """The stage that options describe, as one writes them behind a stage's name.

    Raises:
        click.UsageError: there is no such option, or they do not go together.
        AcryptoError: a key is none.
        OSError: a file cannot be read.
    """
    return encryption(**_parsed(_age, words))


def decrypt_stage(words: Sequence[str]) -> Decrypt:
    """The stage that options describe, as one writes them behind a stage's name; raises as `encrypt_stage` does."""
    return decryption(**_parsed(_decrypt, words))


# ---- What the options mean


def encryption(
    recipients: Sequence[str],
    recipients_files: Sequence[str],
    identities: Sequence[str],
    ask: bool,
    passphrase_file: str | None,
    passphrase_fd: int | None,
    armor: bool,
) -> Encrypt:
    """The stage for the options of `recipients`."""
    found: list[Recipient] = []
    for text in recipients:
        try:
            found.append(X25519Recipient.parse(text))
        except UsageError as error:
            raise click.UsageError(f"-r: {error}") from None
    for file in recipients_files:
        found += keyfiles.recipients(_read(file), _name(file))
    for file in identities:
        found += [identity.recipient for identity in KeyFile(file).identities()]
    with_passphrase = _one_passphrase(ask, passphrase_file, passphrase_fd)
    if with_passphrase and found:
        raise click.UsageError("a passphrase goes alone: whoever knows it could have written the file")
    if not with_passphrase and not found:
        raise click.UsageError("no recipient, so nobody could read the result: -r, -R, -i or -p names one")
    if with_passphrase:
        secret = _passphrase(passphrase_file, passphrase_fd) or asked("Passphrase", twice=True)
        try:
            found.append(ScryptRecipient(secret))
        finally:
            wipe(secret)
    return Encrypt(found, armor=armor)


def decryption(
    identities: Sequence[str],
    ask: bool,
    passphrase_file: str | None,
    passphrase_fd: int | None,
    max_work_factor: int,
) -> Decrypt:
    """The stage for the options of `identities`."""
    found: list[Identity] = [KeyFile(file, max_work_factor) for file in identities]
    for each in found:
        assert isinstance(each, KeyFile)
        each.check()
    if _one_passphrase(ask, passphrase_file, passphrase_fd) or not found:
        secret = _passphrase(passphrase_file, passphrase_fd)
        found.append(Passphrase("Passphrase", secret, max_work_factor))
    return Decrypt(found)


def _one_passphrase(ask: bool, file: str | None, descriptor: int | None) -> bool:
    """Whether there is a passphrase, from one place."""
    if ask + (file is not None) + (descriptor is not None) > 1:
        raise click.UsageError("the passphrase comes from one of -p, --passphrase-file and --passphrase-fd")
    return ask or file is not None or descriptor is not None


def no_passphrase_from(files: Sequence[str], descriptor: int | None, *key_files: str) -> None:
    """Sees to it that standard input is read for one thing only.

    Raises:
        click.UsageError: it is not.
    """
    uses = (not files or STDIN in files) + (descriptor == 0) + key_files.count(STDIN)
    if uses > 1:
        raise click.UsageError("standard input cannot be the data and a key at once, nor two keys")


class Passphrase:
    """An identity that asks for its passphrase when a file wants one.

    Args:
        prompt: what to ask.
        secret: the passphrase, if it is there already; taken over.
        max_work_factor: as of `ScryptIdentity`.
    """

    def __init__(self, prompt: str, secret: bytearray | None, max_work_factor: int) -> None:
        self._prompt = prompt
        self._secret = secret
        self._max_work_factor = max_work_factor
        self._identity: ScryptIdentity | None = None

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytearray | None:
        """The file key, if the passphrase is right."""
        if not any(stanza.type == "scrypt" for stanza in stanzas):
            return None
        if self._identity is None:
            secret = asked(self._prompt) if self._secret is None else self._secret
            self._identity = ScryptIdentity(secret, max_work_factor=self._max_work_factor)
            wipe(secret)
        return self._identity.unwrap(stanzas)


class KeyFile:
    """A file of identities, which may itself be encrypted with a passphrase; then that is asked for when it is needed.

    Args:
        file: its name, or - for standard input.
        max_work_factor: as of `ScryptIdentity`.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, file: str, max_work_factor: int = MAX_WORK_FACTOR) -> None:
        self._name = _name(file)
        self._data = _read(file)
        self._max_work_factor = max_work_factor
        self._found: list[X25519Identity] | None = None

    def check(self) -> None:
        """Reads it now, if that needs no passphrase.

        Raises:
            CorruptInput: it is no file of identities.
        """
        if not self._is_encrypted():
            self.identities()

    def _is_encrypted(self) -> bool:
        return self._data.startswith(MAGIC) or self._data.lstrip().startswith(armor.BEGIN)

    def identities(self) -> list[X25519Identity]:
        """The identities in it.

        Raises:
            AcryptoError: it is no such file, or the passphrase is wrong.
        """
        if self._found is None:
            if self._is_encrypted():
                who = Passphrase(f"Passphrase of {self._name}", None, self._max_work_factor)
                try:
                    plain = decrypt_small(self._data, [who])
                except CorruptInput as error:
                    raise CorruptInput(f"{self._name}: {error}", error.offset) from None
                except AuthenticationError as error:
                    # Whoever tells it names the file that is read with the keys, and that is not the one at fault.
                    raise AuthenticationError(f"{self._name}: {error}") from None
                try:
                    self._found = keyfiles.identities(plain, self._name)
                finally:
                    wipe(plain)
            else:
                self._found = keyfiles.identities(self._data, self._name)
            self._data = b""
        return self._found

    def unwrap(self, stanzas: Sequence[Stanza]) -> bytearray | None:
        """The file key, if one of the identities fits."""
        if not any(stanza.type == "X25519" for stanza in stanzas):
            return None
        for identity in self.identities():
            file_key = identity.unwrap(stanzas)
            if file_key is not None:
                return file_key
        return None


# ---- Reading secrets


def _name(file: str) -> str:
    return "standard input" if file == STDIN else file


def _read(file: str) -> bytes:
    """A file of keys; longer than one can be only by one byte, so that its reader tells."""
    if file == STDIN:
        return sys.stdin.buffer.read(keyfiles.MOST_BYTES + 1)
    with open(file, "rb") as opened:
        return opened.read(keyfiles.MOST_BYTES + 1)


def _passphrase(file: str | None, descriptor: int | None) -> bytearray | None:
    """The passphrase from a file or descriptor, without one newline at its end; None if it is to be asked for."""
    if file is None and descriptor is None:
        return None
    try:
        opened = open(descriptor if file is None else file, "rb", buffering=0, closefd=file is not None)  # type: ignore[arg-type] # noqa: SIM115
    except OSError as error:
        error.filename = f"file descriptor {descriptor}" if file is None else file
        raise
    with opened:
        secret = bytearray()
        while len(secret) <= MOST_PASSPHRASE and (some := opened.read(MOST_PASSPHRASE)):
            secret += some
    if len(secret) > MOST_PASSPHRASE:
        raise click.UsageError(f"the passphrase has over {MOST_PASSPHRASE} bytes")
    for end in (b"\n", b"\r"):
        if secret.endswith(end):
            del secret[-1:]
    if not secret:
        raise click.UsageError("the passphrase is empty")
    return secret


def asked(prompt: str, *, twice: bool = False) -> bytearray:
    """A passphrase from the terminal.

    Raises:
        OSError: there is no terminal.
        click.UsageError: the second one differs, or there is none.
    """
    import getpass

    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        # getpass would read standard input instead, which may be the data.
        what = "no terminal to ask for the passphrase; --passphrase-file or --passphrase-fd gives it"
        raise OSError(errno.ENOTTY, what) from None
    first = getpass.getpass(f"{prompt}: ")
    if twice and getpass.getpass(f"{prompt} again: ") != first:
        raise click.UsageError("the passphrases differ")
    if not first:
        raise click.UsageError("the passphrase is empty")
    return bytearray(os.fsencode(first))
