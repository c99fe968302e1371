"""The contract of an engine, as checks that any test runner can call.

    from acrypto.testing.conformance import check_engine

    def test_my_engine():
        check_engine(MyEngine)

It opens a layer on the engine alone, compares what it does with the software engine, and raises AssertionError with the
law that was broken. An engine that is absent on this machine conforms: its reason is returned.
"""

from __future__ import annotations

import hmac

from acrypto import _core
from acrypto.engines.software import Software
from acrypto.layer.layer import Layer
from acrypto.model.errors import AcryptoError, AuthenticationError, CorruptInput, LimitExceeded, OutputTooSmall
from acrypto.model.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from acrypto.engines.base import Engine

    Start: TypeAlias = Callable[..., _core.Operation[Any]]

#: Around the edges of blocks, pages and size classes.
SIZES = (0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 4095, 4096, 4097, 70_000)
#: What the guards on both sides of a caller's buffer hold.
GUARD = b"\xa5" * 64
#: Seconds after which an operation counts as hung.
PATIENCE = 60.0

_NONCES = {"gcm(aes)": 12, "ccm(aes)": 12, "chacha20-poly1305": 12, "rfc7539(chacha20,poly1305)": 12, "ecb(aes)": 0}
_KEYS = {"chacha20-poly1305": (32,), "rfc7539(chacha20,poly1305)": (32,), "xts(aes)": (32, 64)}
_BLOCKS = {"cbc(aes)": 16, "ecb(aes)": 16}


def check_engine(make_engine: Callable[[], Engine], *, content: bool = True) -> str | None:
    """Checks one engine against its contract.

    Args:
        make_engine: makes a fresh engine each time; the class itself will do.
        content: whether the engine's results mean anything. Without it only life cycle and settling are checked.

    Returns:
        Why the engine is absent here, or None if it conforms.

    Raises:
        AssertionError: it breaks the contract; the message is the law and the case.
    """
    absent = make_engine().probe()
    if absent is not None:
        return absent.reason
    for inline_us in (0.0, 1e9):
        with Layer([make_engine()], settings=Settings(inline_us=inline_us)) as tested, Layer([Software()]) as judge:
            suite = _Suite(tested, judge)
            try:
                suite.offers()
                suite.settling()
                if content:
                    suite.contents()
                suite.nothing_lingers()
            except AcryptoError as error:
                raise AssertionError(f"what is right is not refused: {type(error).__name__}, {error}") from error
    return None


class _Suite:
    """The checks, over one layer to be judged and one that judges."""

    def __init__(self, tested: Layer, judge: Layer) -> None:
        self._tested = tested
        self._judge = judge
        self._rows = [row for row in tested.algorithms() if not row.absent]
        self._kinds = {row.name: row.kind for row in self._rows if not row.insecure}

    def offers(self) -> None:
        _law(bool(self._rows), "an engine that is present offers something")
        known = {row["name"] for row in _core.algorithms()}
        for row in self._rows:
            _law(row.name in known, "what is offered has a known name", row.name)
            _law(bool(row.driver), "an offer names its driver", row.name)
        names = [row.name for row in self._rows]
        _law(len(names) == len(set(names)), "an engine bids once for an algorithm")

    def settling(self) -> None:
        """Whatever is submitted ends, whether anybody waits or not."""
        for name in self._of("digest"):
            transform = self._tested.transform(name)
            operations = [transform.digest(_message(size)) for size in SIZES for _ in range(4)]
            for operation in operations[::4]:
                operation.cancel()
            for operation in operations:
                if not operation.cancelled():
                    operation.wait(PATIENCE)
                _law(operation.done() and not operation.cancel(), "an operation that ended stays so", name)
            del operations

    def contents(self) -> None:
        for name, kind in self._kinds.items():
            match kind:
                case "compression":
                    self._compression(name)
                case "digest":
                    self._digest(name)
                case "mac":
                    self._mac(name)
                case "aead":
                    self._aead(name)
                case "cipher":
                    self._cipher(name)
                case "random":
                    self._random()
                case "signature":
                    self._signature(name)
                case _:
                    pass  # agreement needs nothing but known answers

    def nothing_lingers(self) -> None:
        self._tested.close()
        _law(self._tested.lingering() == 0, "a closed engine has let go of all memory")

    # ---- By kind

    def _compression(self, name: str) -> None:
        tested, judge = self._tested.transform(name), self._judge.transform(name)
        for size in SIZES:
            message = _message(size)
            packed = bytes(tested.compress(message).wait(PATIENCE))
            _same(judge.decompress(packed).wait(), message, "others can decompress what it compressed", name, size)
            theirs = bytes(judge.compress(message).wait())
            _same(tested.decompress(theirs).wait(PATIENCE), message, "it decompresses what others made", name, size)
            segments = tested.compress(_segments(message)).wait(PATIENCE)
            _same(judge.decompress(segments).wait(), message, "segments are one message", name, size)
            _fits(name, len(packed), tested.compress, message)
            _fits(name, size, tested.decompress, packed)
        bomb = bytes(judge.compress(bytes(1 << 20)).wait())
        _raises(LimitExceeded, "max_output is a limit", name, tested.decompress, bomb, max_output=1000)
        packed = bytes(judge.compress(_message(5000)).wait())
        for wrong in (b"", packed[: len(packed) // 2], packed[:-1], packed + b"\xff" * 9):
            if name != "lz4-block" or not wrong:  # a bare block cannot tell that it was cut at a sequence's end
                _raises(CorruptInput, "damage is told", name, tested.decompress, wrong)

    def _digest(self, name: str) -> None:
        tested, judge = self._tested.transform(name), self._judge.transform(name)
        for size in SIZES:
            message = _message(size)
            right = judge.digest(message).wait()
            _same(tested.digest(message).wait(PATIENCE), right, "digests are equal", name, size)
            _same(tested.digest(_segments(message)).wait(PATIENCE), right, "segments are one message", name, size)
            _fits(name, len(right), tested.digest, message)
        messages = [_message(size) for size in SIZES]
        many = tested.digest_many(messages).wait(PATIENCE)
        _law(many == judge.digest_many(messages).wait(), "many results keep the order of the inputs", name)

    def _mac(self, name: str) -> None:
        for key in _keys(name):
            tested, judge = self._tested.transform(name, key=key), self._judge.transform(name, key=key)
            for size in SIZES:
                message = _message(size)
                tag = tested.mac(message).wait(PATIENCE)
                _law(hmac.compare_digest(tag, judge.mac(message).wait()), "tags are equal", name, size)
                _same(tested.mac(_segments(message)).wait(PATIENCE), tag, "segments are one message", name, size)
                tested.verify(tag, message).wait(PATIENCE)
                _raises(AuthenticationError, "a wrong tag is refused", name, tested.verify, _flipped(tag, 0), message)

    def _aead(self, name: str) -> None:
        for key in _keys(name):
            tested, judge = self._tested.transform(name, key=key), self._judge.transform(name, key=key)
            for size in SIZES:
                message, nonce, ad = _message(size), _message(_NONCES[name]), _message(size % 41)
                box = bytes(tested.encrypt(nonce, message, ad).wait(PATIENCE))
                _same(judge.encrypt(nonce, message, ad).wait(), box, "boxes are equal", name, size)
                _same(tested.decrypt(nonce, box, ad).wait(PATIENCE), message, "what it sealed it opens", name, size)
                split = tested.encrypt(nonce, _segments(message), _segments(ad)).wait(PATIENCE)
                _same(split, box, "segments are one message", name, size)
                _fits(name, len(box), tested.encrypt, nonce, message, ad)
                _fits(name, size, tested.decrypt, nonce, box, ad)
                self._forgeries(name, tested, (nonce, box, ad), size)
            for length in range(20):
                right = _outcome(judge.encrypt, bytes(length), b"x")
                given = _outcome(tested.encrypt, bytes(length), b"x")
                _law(given == right, "the same lengths of nonces are refused", name, length)

    @staticmethod
    def _forgeries(name: str, tested: _core.Transform, sealed: tuple[bytes, bytes, bytes], size: int) -> None:
        nonce, box, ad = sealed
        for at in {0, len(box) // 2, len(box) - 1}:
            into, law = bytearray(size), "what was tampered with is refused"
            _raises(AuthenticationError, law, name, tested.decrypt, nonce, _flipped(box, at), ad, into=into)
            _law(not any(into), "nothing of a failed open is released", name, size)
        for short in (box[:15], b""):
            law = "a box without a whole tag is refused"
            _raises((AuthenticationError, ValueError), law, name, tested.decrypt, nonce, short, ad)
        _raises(AuthenticationError, "associated data is authenticated", name, tested.decrypt, nonce, box, b"other")

    def _cipher(self, name: str) -> None:
        block = _BLOCKS.get(name, 1)
        iv = _message(_NONCES.get(name, 16))
        for key in _keys(name):
            tested, judge = self._tested.transform(name, key=key), self._judge.transform(name, key=key)
            for size in SIZES:
                message = _message(size)
                if size % block or (name.startswith("xts") and size < 16):
                    if size:
                        law = "a length that the mode does not have is refused"
                        _raises(ValueError, law, name, tested.encrypt, iv, message)
                    continue
                secret = bytes(tested.encrypt(iv, message).wait(PATIENCE))
                _same(judge.encrypt(iv, message).wait(), secret, "ciphertexts are equal", name, size)
                _same(tested.decrypt(iv, secret).wait(PATIENCE), message, "it decrypts what it encrypted", name, size)
                split = tested.encrypt(iv, _segments(message)).wait(PATIENCE)
                _same(split, secret, "segments are one message", name, size)
                _fits(name, size, tested.encrypt, iv, message)
            _raises(ValueError, "a wrong IV is refused", name, tested.encrypt, bytes(7), bytes(16))

    def _random(self) -> None:
        for size in (0, 1, 32, 4097):
            _law(len(self._tested.random(size).wait(PATIENCE)) == size, "random gives as many bytes as asked for")
        one, two = (self._tested.random(32).wait(PATIENCE) for _ in range(2))
        _law(one != two, "random bytes do not repeat")

    def _signature(self, name: str) -> None:
        key = _core.generate_key(name)
        tested = self._tested.transform(name, key=key)
        judge = self._judge.transform(name, key=_core.public_key(name, key))
        for size in (0, 1, 4097):
            message = _message(size)
            signature = tested.sign(message).wait(PATIENCE)
            judge.verify(signature, message).wait()
            tested.verify(signature, message).wait(PATIENCE)
            for wrong in (_flipped(signature, 0), b""):
                _raises(AuthenticationError, "a wrong signature is refused", name, tested.verify, wrong, message)
            law = "a signature of something else is refused"
            _raises(AuthenticationError, law, name, tested.verify, signature, message + b"x")

    def _of(self, wanted: str) -> Iterator[str]:
        return (name for name, kind in self._kinds.items() if kind == wanted)


def _keys(name: str) -> list[bytes]:
    if name.startswith("hmac"):
        return [_message(size) for size in (1, 32, 200)]
    return [_core.random(size) for size in _KEYS.get(name, (16, 32))]


def _message(size: int) -> bytes:
    """Bytes that are neither constant nor incompressible."""
    return (b"".join(b"%d, " % (number * number) for number in range(size // 3 + 1)))[:size]


def _segments(message: bytes) -> list[bytes]:
    """A message in uneven pieces, an empty one among them."""
    return [message[:1], b"", message[1:18], message[18 : len(message) // 2 + 18], message[len(message) // 2 + 18 :]]


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _law(holds: bool, law: str, *case: object) -> None:
    if not holds:
        raise AssertionError(f"{law}: broken for {', '.join(map(str, case)) or 'this engine'}")


def _same(got: object, right: bytes, law: str, *case: object) -> None:
    _law(got == right, law, *case)


def _fits(name: str, size: int, start: Start, *arguments: object) -> None:
    """Exactly enough room is enough; too little is refused; nothing outside is touched either way."""
    for room in {size, max(size - 1, 0), 0}:
        memory = bytearray(GUARD + bytes(room) + GUARD)
        with memoryview(memory)[len(GUARD) : len(GUARD) + room] as into:
            if room >= size:
                written = start(*arguments, into=into).wait(PATIENCE)
                _law(written == size, "a result that fits exactly is written, and its length told", name, size)
            else:
                _raises(OutputTooSmall, "too little room is told", name, start, *arguments, into=into)
        whole = memory[: len(GUARD)] == GUARD == memory[len(GUARD) + room :]
        _law(whole, "nothing outside the caller's buffer is touched", name, size)


def _outcome(start: Start, *arguments: object) -> bytes | type[Exception]:
    try:
        return bytes(start(*arguments).wait(PATIENCE))
    except ValueError as error:
        return type(error)


def _raises(
    error: type[Exception] | tuple[type[Exception], ...],
    law: str,
    name: str,
    start: Start,
    *arguments: object,
    **options: object,
) -> None:
    try:
        start(*arguments, **options).wait(PATIENCE)
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{law}: {name} raised {type(other).__name__}, {other}") from other
    raise AssertionError(f"{law}: {name} raised nothing")
