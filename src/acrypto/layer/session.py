"""A unit of work as a folder: its files are written, and reading `dst` runs it."""

from __future__ import annotations

from acrypto.layer.files import File, Folder, as_text
from acrypto.model.errors import AcryptoError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from acrypto import _core
    from acrypto.layer.files import Content, Node
    from acrypto.layer.shown import Shown

#: What may be written to `operation`: the sorts of algorithms that have it.
OPERATIONS: dict[str, frozenset[str]] = {
    "compress": frozenset({"compression"}),
    "decompress": frozenset({"compression"}),
    "digest": frozenset({"digest"}),
    "mac": frozenset({"mac"}),
    "encrypt": frozenset({"cipher", "aead"}),
    "decrypt": frozenset({"cipher", "aead"}),
    "sign": frozenset({"signature"}),
    "verify": frozenset({"signature", "mac"}),
    "agree": frozenset({"agreement"}),
    "random": frozenset({"random"}),
}
#: Files of bytes. They are written after `operation` and `algorithm`, and never read back but for `src`.
BYTES = ("key", "iv", "ad", "tag", "src")
#: Files of one number; `size` is how many bytes `random` gives.
NUMBERS = ("level", "tag_len", "priority", "size")
#: What `completion` tells.
TOLD = ("device", "driver", "lane", "reason", "attempts", "queue_ns", "run_ns", "bytes_in", "bytes_out")


class Session:
    """One unit of work, made by `Tree.make`. For one thread at a time.

    The order is that of the old layer's character device: first `operation` and `algorithm`, then the data, then `dst`
    is read, which waits for the result. Reading it again gives the same bytes until something is written.

    Args:
        layer: runs the work.
        name: the folder's name, for messages.
    """

    def __init__(self, layer: Shown, name: str) -> None:
        self._layer = layer
        self._name = name
        self._words: dict[str, str] = {}
        self._bytes: dict[str, bytearray] = {}
        self._numbers: dict[str, int] = {}
        self._operation: _core.Operation[object] | None = None
        self._result: bytes | None = None
        self._status = "new"

    def folder(self) -> Folder:
        """The session's files."""
        return Folder(self._entries)

    def _entries(self) -> Mapping[str, Node]:
        files: dict[str, Node] = {
            word: File(lambda word=word: self._words.get(word, ""), write)  # type: ignore[misc]
            for word, write in (
                ("operation", self._write_operation),
                ("algorithm", self._write_algorithm),
                ("device", self._write_device),
            )
        }
        for name in NUMBERS:
            files[name] = File(
                lambda name=name: str(self._numbers.get(name, "")),  # type: ignore[misc]
                lambda content, name=name: self._write_number(name, content),  # type: ignore[misc]
            )
        for name in BYTES:
            files[name] = File(
                (lambda: bytes(self._bytes.get("src", b""))) if name == "src" else None,
                lambda content, name=name: self._write_bytes(name, content),  # type: ignore[misc]
                is_shown=False,
            )
        files["dst"] = File(self._read_dst, is_shown=False)
        has_ended = self._operation is not None and self._operation.completion is not None
        files["completion"] = File(self._read_completion, is_shown=has_ended)
        files["status"] = File(lambda: self._status)
        return files

    def wipe(self) -> None:
        """Overwrites the key and the data that it holds."""
        for held in self._bytes.values():
            held[:] = bytes(len(held))
        self._changed()

    # ---- Writing

    def _write_operation(self, content: Content) -> None:
        word = as_text(content)
        if word not in OPERATIONS:
            raise UsageError(f"no operation is called {word!r}; known: {', '.join(OPERATIONS)}")
        algorithm = self._words.get("algorithm")
        if algorithm is not None:
            self._check(word, algorithm)
        self._words["operation"] = word
        self._changed()

    def _write_algorithm(self, content: Content) -> None:
        name = as_text(content)
        self._check(self._words.get("operation"), name)
        self._words["algorithm"] = name
        self._changed()

    def _check(self, operation: str | None, algorithm: str) -> None:
        """Sees to it that somebody offers the algorithm, and that it has the operation."""
        kind = self._layer.find(algorithm).kind
        if operation is not None and kind not in OPERATIONS[operation]:
            raise UsageError(f"{algorithm} is a {kind}, which has no {operation}")

    def _write_device(self, content: Content) -> None:
        self._words["device"] = as_text(content)
        self._changed()

    def _write_number(self, name: str, content: Content) -> None:
        text = as_text(content)
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise UsageError(f"{name} takes a whole number")
        self._numbers[name] = int(text)
        self._changed()

    def _write_bytes(self, name: str, content: Content) -> None:
        self._must_have(name, "operation", "algorithm")
        old = self._bytes.pop(name, bytearray())
        old[:] = bytes(len(old))
        self._bytes[name] = bytearray(content.encode() if isinstance(content, str) else content)
        self._changed()

    def _changed(self) -> None:
        self._operation = self._result = None
        self._status = "new"

    def _must_have(self, wanted: str, *first: str) -> None:
        held = {*self._words, *self._bytes, *self._numbers}
        missing = [name for name in first if name not in held]
        if missing:
            raise UsageError(f"sessions/{self._name}: {wanted} comes after {' and '.join(missing)}")

    # ---- Reading

    def _read_dst(self) -> bytes:
        if self._result is None:
            self._operation = None
            try:
                self._operation = self._submit()
                made = self._operation.wait()
            except AcryptoError as error:
                self._status = f"failed: {type(error).__name__}"
                raise
            # A verified signature has nothing to give; what was not verified has raised.
            self._result = b"" if made is None else bytes(made)  # type: ignore[call-overload]
            self._status = "done"
        return self._result

    def _submit(self) -> _core.Operation[object]:
        self._must_have("dst", "operation")
        word = self._words["operation"]
        device = self._words.get("device") or None
        if word == "random":
            self._must_have("dst", "size")
            return self._layer.random(self._numbers["size"], device=device)
        self._must_have("dst", "algorithm", "src", *(["tag"] if word == "verify" else []))
        held = {name: bytes(data) for name, data in self._bytes.items()}
        numbers = self._numbers
        transform = self._layer.transform(
            self._words["algorithm"], key=held.get("key"), level=numbers.get("level"), tag_len=numbers.get("tag_len")
        )
        match word:
            case "encrypt" | "decrypt":
                arguments = [held.get("iv", b""), held["src"], *([held["ad"]] if "ad" in held else [])]
            case "verify":
                arguments = [held["tag"], held["src"]]
            case _:
                arguments = [held["src"]]
        submitted: _core.Operation[object] = getattr(transform, word)(
            *arguments, priority=numbers.get("priority", 0), device=device
        )
        return submitted

    def _read_completion(self) -> str:
        completion = self._operation.completion if self._operation is not None else None
        if completion is None:
            raise UsageError(f"sessions/{self._name}: completion comes after dst was read")
        return "\n".join(f"{name} {getattr(completion, name)}" for name in TOLD)
