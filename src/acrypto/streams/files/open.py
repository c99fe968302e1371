"""`open_file`: the way to the file objects."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Literal, overload

from acrypto.model.errors import UsageError
from acrypto.streams.compress import Compress
from acrypto.streams.files import forms
from acrypto.streams.files.reader import Decoded, FileReader
from acrypto.streams.files.stream import Keys
from acrypto.streams.files.writer import FileWriter, TextWriter
from acrypto.streams.place import called, is_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, TypeAlias

    from typing_extensions import Buffer as BytesLike

    from acrypto.layer.layer import Layer
    from acrypto.streams.age.identities import Identity
    from acrypto.streams.age.recipients import Recipient
    from acrypto.streams.stage import Stage

    #: What can be opened.
    Openable: TypeAlias = str | os.PathLike[str] | int | IO[bytes] | Any
    ReadMode: TypeAlias = Literal["r", "rb"]
    WriteMode: TypeAlias = Literal["w", "wb", "x", "xb"]
    ReadTextMode: TypeAlias = Literal["rt"]
    WriteTextMode: TypeAlias = Literal["wt", "xt"]


@overload
def open_file(
    file: Openable,
    mode: ReadMode = "rb",
    *,
    format: str | None = None,
    layer: Layer | None = None,
    identities: Iterable[Identity | str] | None = None,
    passphrase: str | BytesLike | None = None,
    index: str | os.PathLike[str] | None = None,
    max_output: int | None = None,
) -> FileReader: ...
@overload
def open_file(
    file: Openable,
    mode: WriteMode,
    *,
    format: str | None = None,
    level: int | None = None,
    layer: Layer | None = None,
    recipients: Iterable[Recipient | str] | None = None,
    passphrase: str | BytesLike | None = None,
    armor: bool = False,
) -> FileWriter: ...
@overload
def open_file(
    file: Openable,
    mode: ReadTextMode,
    *,
    format: str | None = None,
    layer: Layer | None = None,
    identities: Iterable[Identity | str] | None = None,
    passphrase: str | BytesLike | None = None,
    index: str | os.PathLike[str] | None = None,
    max_output: int | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> io.TextIOWrapper: ...
@overload
def open_file(
    file: Openable,
    mode: WriteTextMode,
    *,
    format: str | None = None,
    level: int | None = None,
    layer: Layer | None = None,
    recipients: Iterable[Recipient | str] | None = None,
    passphrase: str | BytesLike | None = None,
    armor: bool = False,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> TextWriter: ...
def open_file(
    file: Openable,
    mode: str = "rb",
    *,
    format: str | None = None,
    level: int | None = None,
    layer: Layer | None = None,
    recipients: Iterable[Recipient | str] | None = None,
    identities: Iterable[Identity | str] | None = None,
    passphrase: str | BytesLike | None = None,
    armor: bool = False,
    index: str | os.PathLike[str] | None = None,
    max_output: int | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> FileReader | FileWriter | io.TextIOWrapper:
    """Opens a compressed or encrypted file as Python's `open` opens others.

    Reading finds the format by the first bytes: gzip, BGZF, zstd, lz4, age (armored or not), and age around one of the
    others. All cores decode ahead. A path that is written gets its file when that is closed, whole, or not at all.

    Args:
        file: a path; or a descriptor or file object, which is read or written from where it stands and stays open.
        mode: "rb" (or "r"), "wb", "xb" (which replaces nothing); "rt", "wt", "xt" for text.
        format: `gzip`, `bgzf`, `zstd`, `lz4`, `age`, or one inside the other as `zstd.age`. To be read, `age` means the
            decrypted bytes, whatever they are. By default what the name tells when writing, the first bytes when
            reading.
        level: of the compression, by its own default.
        layer: whose engines work; one that all callers share by default.
        recipients: who may read: age recipients.
        identities: who reads: age identities.
        passphrase: of age, to encrypt or to decrypt.
        armor: whether age writes text.
        index: the path of the `.gzi` of a BGZF file; one beside it is found.
        max_output: the most bytes of content that are read; no limit by default, since only what is asked for is held.
        encoding: of text, as of `open`.
        errors: of text, as of `open`.
        newline: of text, as of `open`.

    Returns:
        A `FileReader` (an `io.BufferedReader`), a `FileWriter`, or a text wrapper around one.

    Raises:
        UsageError: no such mode or format, or what does not belong together.
        CorruptInput: from reading: damaged, or in no known format.
        AuthenticationError: from reading: not for these identities, or changed.
        FileExistsError: there is such a file, and the mode is "x".
        OSError: the file cannot be opened.
    """
    kind = mode.replace("t", "").replace("b", "")
    text = "t" in mode
    if kind not in {"r", "w", "x"} or mode not in {kind, kind + "b", kind + "t"}:
        raise UsageError(f"mode is {mode!r}; r, w or x with b or t is wanted")
    if not text and (encoding, errors, newline) != (None, None, None):
        raise UsageError("encoding, errors and newline are for text")
    if max_output is not None and max_output < 0:
        raise UsageError(f"max_output is {max_output}, and is never negative")
    form = forms.parse(format) if format is not None else None
    if layer is None:
        from acrypto.streams.shared import shared_layer

        layer = shared_layer()
    if kind == "r":
        if (level, recipients, armor) != (None, None, False):
            raise UsageError("level, recipients and armor are for writing")
        gzi = None if index is None else str(index)
        raw = Decoded(layer, file, form, Keys(identities, passphrase), gzi=gzi, max_output=max_output)
        reader = FileReader(raw)
        return io.TextIOWrapper(reader, encoding, errors, newline) if text else reader
    if (identities, index, max_output) != (None, None, None):
        raise UsageError("identities, index and max_output are for reading")
    if file is None:
        raise UsageError("file is None; a path, a descriptor or a file object is wanted")
    if isinstance(file, bytes):
        file = os.fsdecode(file)
    stages = _stages(file, form, level, recipients, passphrase, armor)
    name = file if is_path(file) or type(file) is int else called(file) or ""
    writer = FileWriter(layer, stages, file, name=name, overwrite=kind == "w")
    try:
        return TextWriter(writer, encoding, errors, newline) if text else writer
    except BaseException:
        writer.discard()
        raise


def _stages(
    file: Any,
    form: forms.Form | None,
    level: int | None,
    recipients: Iterable[Recipient | str] | None,
    passphrase: str | BytesLike | None,
    armor: bool,
) -> list[Stage]:
    """What a file that is written goes through."""
    with_keys = recipients is not None or passphrase is not None
    if form is None:
        form = forms.named(file) or (forms.Form(None, True) if with_keys else None)
    if form is None:
        raise UsageError(f"neither format nor name tells what to write; known: {', '.join(forms.ENDINGS)}")
    if form.encrypted and not with_keys:
        raise UsageError("to encrypt with age, recipients or a passphrase are wanted")
    if level is not None and form.compressed is None:
        raise UsageError(f"level is {level}, and nothing is compressed")
    stages: list[Stage] = []
    if form.compressed is not None:
        stages.append(Compress(form.compressed, level))
    if with_keys:
        from acrypto.streams.age.encrypt import Encrypt

        stages.append(Encrypt(recipients or (), passphrase=passphrase, armor=armor))
    return stages
