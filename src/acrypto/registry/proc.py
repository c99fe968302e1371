"""The text of the file /proc/crypto for the offers of a layer, in its exact form: what reads that file reads this.

One block for each offer, the newest first, a blank line behind each; labels padded to 13 columns. The labels are those
of Linux 6.18; a kernel of another version leaves some out. Where the kernel has a word that we have not, we decide:

- `name` is ours: `lz4` is the frame format here and `lz4-block` what the kernel calls lz4, `zlib` what it called
  zlib-deflate. To print the kernel's words would tell of names that nobody can ask for here.
- `module` is `acrypto_` and the engine's name: what such code would be called as a kernel module. Not `kernel`,
  which tells there that code cannot be taken out again; here any engine can.
- `selftest` is `passed`, or `unknown` also for what failed: the kernel too keeps an algorithm that failed in its list,
  hidden from lookup, and has no third word. `acrypto algorithms` tells the reason.
- `refcnt` is 1 for being registered and 1 for each user; `internal` is always `no`, `geniv` always `<none>`.
- `type` tells what completes later (`acomp`, `ahash`, async `yes`) from what does not (`scomp`, `shash`, async `no`).
  MACs are hashes, rsa is `akcipher`, other signatures are `sig`, key agreements `kpp`.
"""

from __future__ import annotations

from acrypto.model.names import LETTERS, parse
from acrypto.model.shapes import shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from acrypto.registry.listing import OfferRow

    Facts = list[tuple[str, object]]

#: Stream ciphers that make more than a byte at a time, though one cannot tell by their names.
STRIDES = {"chacha20": 64, "xchacha20": 64, "xchacha12": 64}


def proc_text(rows: Iterable[OfferRow], *, legacy: Iterable[OfferRow] = ()) -> str:
    """The file's text for offers that come oldest first; those of `legacy`, of the type `compression`, are newer."""
    blocks = [_block([*_common(row), *TYPES[row.kind](row)]) for row in rows]
    blocks += [_block([*_common(row), ("type", "compression")]) for row in legacy]
    return "".join(reversed(blocks))


def _block(facts: Facts) -> str:
    return "".join(f"{label:<13}: {value}\n" for label, value in facts) + "\n"


def _common(row: OfferRow) -> Facts:
    engine = "".join(letter if letter in LETTERS else "_" for letter in row.engine).replace("-", "_")
    return [
        ("name", row.algorithm),
        ("driver", row.driver),
        ("module", f"acrypto_{engine}"),
        ("priority", row.priority),
        ("refcnt", 1 + row.users),
        ("selftest", "passed" if row.selftest == "passed" else "unknown"),
        ("internal", "no"),
    ]


def _compression(row: OfferRow) -> Facts:
    return [("type", "acomp" if row.asynchronous else "scomp")]


def _hash(row: OfferRow) -> Facts:
    kind: Facts = [("type", "ahash"), ("async", "yes")] if row.asynchronous else [("type", "shash")]
    return [*kind, ("blocksize", row.shape.block), ("digestsize", row.shape.digest)]


def _cipher(row: OfferRow) -> Facts:
    stride = _stride(row)
    return [
        ("type", "skcipher"),
        ("async", "yes" if row.asynchronous else "no"),
        ("blocksize", row.shape.block),
        ("min keysize", row.shape.min_key),
        ("max keysize", row.shape.max_key),
        ("ivsize", row.shape.nonce),
        ("chunksize", stride),
        ("walksize", stride),
        ("statesize", 0),
    ]


def _aead(row: OfferRow) -> Facts:
    return [
        ("type", "aead"),
        ("async", "yes" if row.asynchronous else "no"),
        ("blocksize", row.shape.block),
        ("ivsize", row.shape.nonce),
        ("maxauthsize", row.shape.tag),
        ("geniv", "<none>"),
    ]


def _random(row: OfferRow) -> Facts:
    return [("type", "rng"), ("seedsize", row.shape.seed)]


def _stride(row: OfferRow) -> int:
    """The bytes that a cipher makes of one call of its block cipher, which a stream mode hides."""
    name = parse(row.algorithm)
    while name.args:
        name = name.args[0]
    return STRIDES.get(name.base) or max(row.shape.block, shape_of(name.base).block)


TYPES: dict[str, Callable[[OfferRow], Facts]] = {
    "compression": _compression,
    "digest": _hash,
    "mac": _hash,
    "cipher": _cipher,
    "aead": _aead,
    "random": _random,
    "signature": lambda row: [("type", "akcipher" if row.algorithm == "rsa" else "sig")],
    "agreement": lambda _row: [("type", "kpp")],
}
