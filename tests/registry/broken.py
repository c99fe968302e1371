"""Engines that are wrong on purpose, each in one way: what self-tests must catch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import acrypto
from acrypto import _core
from acrypto.model.offers import Offer
from acrypto.testing.gate import Gate

Result = bytes | Exception | None
#: A job's unit (source, nonce, additional data, tag) and the right result, turned into a wrong one.
Spoil = Callable[[_core.Job, tuple[bytes, bytes, bytes, bytes], bytes | Exception], Result]


class Spoilt(Gate):
    """A sound engine for one algorithm, whose results a function spoils. None for a result forgets the job."""

    name = "spoilt"
    selftest = False

    def __init__(self, algorithm: str, spoil: Spoil, *, own: Offer | None = None) -> None:
        super().__init__()
        self.open()
        self._algorithm = algorithm
        self._spoil = spoil
        self._offer = own or Offer(algorithm, "spoilt", 200)

    def offers(self) -> Sequence[Offer]:
        return [self._offer]

    def submit(self, burst: Sequence[_core.Job]) -> int:
        return super().submit([_Spoilt(job, self._spoil, self._algorithm) for job in burst])  # type: ignore[misc]


class _Spoilt:
    def __init__(self, job: _core.Job, spoil: Spoil, algorithm: str) -> None:
        self._job = job
        self._spoil = spoil
        #: What the work is done by, whatever it is called to the outside.
        self.algorithm = algorithm

    def __getattr__(self, name: str) -> object:
        return getattr(self._job, name)

    def complete(self, results: list[bytes | Exception]) -> bool:
        spoilt = [
            self._spoil(self, unit, result)  # type: ignore[arg-type]
            for unit, result in zip(self._job.units, results, strict=True)
        ]
        return True if None in spoilt else self._job.complete(spoilt)  # type: ignore[arg-type]


def on(operation: str, change: Callable[[bytes, bytes], Result]) -> Spoil:
    """Spoils the bytes that come of one operation: `change` gets the source and the right result."""

    def spoil(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
        if job.operation == operation and not isinstance(result, Exception):
            return change(unit[0], bytes(result))
        return result

    return spoil


def ignoring(operation: str, *, source: Callable[[bytes], bytes] = bytes, key: bool = False, ad: bool = False) -> Spoil:
    """Does the operation, but on another source, under another key, or without additional data."""

    def spoil(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
        params = dict(job.params)
        right = params.pop("key")
        used = bytes(range(len(right))) if key else right
        data, nonce, given, _ = unit
        if job.operation == operation == "mac":
            return _core.mac(job.algorithm, used, source(data), **params)
        if job.operation in {"encrypt", "decrypt"} and operation == "both":
            call = _core.encrypt if job.operation == "encrypt" else _core.decrypt
            try:
                return bytes(call(job.algorithm, used, nonce, data, b"" if ad else given, **params))
            except acrypto.AcryptoError as error:
                return error
        return result

    return spoil


def flip(data: bytes, at: int) -> bytes:
    """The data with one bit changed."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def opens_anything(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Gives bytes for a forgery."""
    if job.operation == "decrypt" and isinstance(result, acrypto.AuthenticationError):
        return bytes(max(len(unit[0]) - 16, 0))
    return result


def accepts_anything(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Finds every tag right."""
    return b"" if job.operation == "verify" else result


def checks_first_half(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Looks at the first half of a tag only."""
    if job.operation == "verify":
        right = _core.mac(job.algorithm, job.params["key"], unit[0])
        half = len(right) // 2
        return b"" if unit[3][:half] == right[:half] else acrypto.AuthenticationError("no")
    return result


def ignores_iv(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Uses zeros for the IV, both ways, so that it understands itself."""
    call = _core.encrypt if job.operation == "encrypt" else _core.decrypt
    return bytes(call(job.algorithm, job.params["key"], bytes(len(unit[1])), unit[0]))


def ignores_key(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Uses one key for all, both ways."""
    call = _core.encrypt if job.operation == "encrypt" else _core.decrypt
    return bytes(call(job.algorithm, bytes(range(len(job.params["key"]))), unit[1], unit[0]))


def swallows_damage(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Finds damaged input empty."""
    return b"" if isinstance(result, acrypto.CorruptInput) else result


def identity(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Gives back what it got, both ways."""
    return unit[0]


def hangs(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Never answers; keeps the job, for one that is dropped is lost, which is told at once."""
    KEPT.append(job)
    return None


KEPT: list[object] = []


def forgets(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Drops the job."""
    return None


def raises(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Chokes."""
    raise RuntimeError("out of order")


def mixes_up(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Gives the second of many the first one's result."""
    units = job.units
    if len(units) > 1 and unit == units[1] and not isinstance(result, Exception) and job.operation == "digest":
        return _core.digest(job.algorithm, units[0][0])
    return result


def last_byte(size: int) -> Callable[[bytes, bytes], Result]:
    """Drops the last byte of what is that long."""
    return lambda source, result: result[:-1] if len(result) == size else result


def beyond(window: int) -> Callable[[bytes, bytes], Result]:
    """Damages what lies beyond a window."""
    return lambda source, result: flip(result, window) if len(result) > window else result


def at_size(*sizes: int) -> Callable[[bytes, bytes], Result]:
    """Wrong for sources of just these sizes."""
    return lambda source, result: flip(result, 0) if len(source) in sizes else result


def partial_block(source: bytes, result: bytes) -> Result:
    """Leaves the last partial block as it was."""
    whole = len(source) // 16 * 16
    return result[:whole] + source[whole:]


def last_block(source: bytes, result: bytes) -> Result:
    """The last block is wrong where there are several."""
    return flip(result, -1) if len(source) > 16 else result


def sound(job: _core.Job, unit: tuple[bytes, bytes, bytes, bytes], result: bytes | Exception) -> Result:
    """Changes nothing."""
    return result


#: What it is, the algorithm, and how it is spoilt.
BROKEN: dict[str, tuple[str, Spoil]] = {
    "codec drops the last byte of 64": ("deflate", on("decompress", last_byte(64))),
    "codec drops the last byte of 4097": ("gzip", on("decompress", last_byte(4097))),
    "codec drops the last byte of nothing but one": ("zstd", on("decompress", last_byte(1))),
    "codec returns its input": ("deflate", identity),
    "codec returns its input, of blocks": ("lz4-block", identity),
    "codec damages beyond 32 KiB": ("deflate", on("decompress", beyond(32_768))),
    "codec damages beyond 64 KiB": ("lz4", on("decompress", beyond(65_536))),
    "codec compresses wrongly beyond 64 KiB": (
        "lz4",
        on("compress", lambda source, result: flip(result, -1) if len(source) > 65_536 else result),
    ),
    "codec adds a byte": ("zlib", on("decompress", lambda source, result: result + b"\0")),
    "codec loses the empty message": ("gzip", on("compress", lambda source, result: result if source else b"")),
    "codec swallows damage": ("zlib", swallows_damage),
    "codec swallows damage, deflate": ("deflate", swallows_damage),
    "codec hangs": ("deflate", hangs),
    "codec raises": ("deflate", raises),
    "codec forgets": ("deflate", forgets),
    "MAC ignores the last byte": ("hmac(sha256)", ignoring("mac", source=lambda data: data[:-1])),
    "MAC ignores what is beyond a block": ("hmac(sha1)", ignoring("mac", source=lambda data: data[:64])),
    "MAC ignores the key": ("hmac(sha256)", ignoring("mac", key=True)),
    "MAC ignores the key, CMAC": ("cmac(aes)", ignoring("mac", key=True)),
    "MAC truncates": ("hmac(sha512)", on("mac", lambda source, result: result[:-1])),
    "MAC accepts anything": ("hmac(sha256)", accepts_anything),
    "MAC checks half of a tag": ("hmac(sha256)", checks_first_half),
    "cipher leaves the partial block": ("ctr(aes)", on("encrypt", partial_block)),
    "cipher breaks the last block": ("cbc(aes)", on("encrypt", last_block)),
    "cipher breaks the last block, decrypting": ("xts(aes)", on("decrypt", last_block)),
    "cipher breaks the seventeenth block": ("ecb(aes)", on("encrypt", at_size(272))),
    "cipher breaks the stolen byte": ("xts(aes)", on("encrypt", at_size(17))),
    "cipher ignores its IV": ("cbc(aes)", ignores_iv),
    "cipher ignores its IV, CTR": ("ctr(aes)", ignores_iv),
    "cipher ignores its key": ("ctr(aes)", ignores_key),
    "cipher does nothing": ("ctr(aes)", identity),
    "cipher gives too little": ("ctr(aes)", on("encrypt", lambda source, result: result[:-1])),
    "cipher gives too much": ("ctr(aes)", on("decrypt", lambda source, result: result + b"\0")),
    "AEAD does not check its tag": ("gcm(aes)", opens_anything),
    "AEAD ignores additional data": ("gcm(aes)", ignoring("both", ad=True)),
    "AEAD ignores additional data, CCM": ("ccm(aes)", ignoring("both", ad=True)),
    "AEAD ignores its key": ("chacha20-poly1305", ignoring("both", key=True)),
    "AEAD breaks the last byte": (
        "gcm(aes)",
        on("decrypt", lambda source, result: flip(result, -1) if len(result) > 16 else result),
    ),
    "AEAD breaks 4097 bytes": ("gcm(aes)", on("encrypt", at_size(4097))),
    "AEAD gives a short tag": ("chacha20-poly1305", on("encrypt", lambda source, result: result[:-4])),
    "digest is wrong just before its padding": ("sha256", on("digest", at_size(55))),
    "digest is wrong just behind its padding": ("sha256", on("digest", at_size(56))),
    "digest is wrong at a block": ("sha512", on("digest", at_size(128))),
    "digest is wrong at the rate": ("sha3-256", on("digest", at_size(135))),
    "digest is wrong beyond 64 KiB": (
        "sha1",
        on("digest", lambda source, result: flip(result, 0) if len(source) > 65_536 else result),
    ),
    "digest of nothing is wrong": ("crc32", on("digest", at_size(0))),
    "digest mixes up many": ("sha256", mixes_up),
    "digest truncates": ("sha256", on("digest", lambda source, result: result[:-1])),
    "digest overruns": ("sha256", on("digest", lambda source, result: result + b"\0")),
    "digest hangs": ("sha256", hangs),
}
