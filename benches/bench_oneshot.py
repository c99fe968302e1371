"""Small synchronous calls beside the best that Python has: hashlib, cryptography, python-isal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from isal import igzip_lib
from measure import Report, in_turns, median, per_call, quick

import acrypto

ROUNDS = quick(31)


def pages(number: int = 256) -> list[bytes]:
    """4 KiB pages of real data: programs and their text, none of them one byte repeated."""
    data = b""
    for path in sorted(Path("/usr/lib/python3").rglob("*.py")) + sorted(Path("/usr/bin").iterdir()):
        if path.is_file() and os.access(path, os.R_OK):
            data += path.read_bytes()[: 64 << 10]
        if len(data) > number * 4096 * 4:
            break
    cut = [data[at : at + 4096] for at in range(0, len(data) - 4095, 4096 * 4)]
    return [page for page in cut if len(set(page)) > 1][:number]


def over(function: Callable[[bytes], object], items: list[bytes]) -> Callable[[], object]:
    """One call over all items, so that no single page decides."""

    def run() -> None:
        for item in items:
            function(item)

    return run


def main() -> None:
    report = Report("oneshot")
    key, nonce = os.urandom(32), os.urandom(12)
    peer_aead = AESGCM(key)
    page = os.urandom(4096)
    with acrypto.open() as layer:
        aead = layer.transform("gcm(aes)", key=key)
        pairs: dict[str, tuple[Callable[[], object], Callable[[], object], float]] = {
            "sha256 of 4 KiB (peer hashlib)": (lambda: acrypto.sha256(page), lambda: hashlib.sha256(page).digest(), 1),
            "AES-256-GCM of 4 KiB, one-shot with key set-up (peer cryptography, keyed)": (
                lambda: acrypto.encrypt("gcm(aes)", key, nonce, page),
                lambda: peer_aead.encrypt(nonce, page, None),
                1,
            ),
            "AES-256-GCM of 4 KiB, transform inline (peer cryptography, keyed)": (
                lambda: aead.encrypt(nonce, page).wait(),
                lambda: peer_aead.encrypt(nonce, page, None),
                1,
            ),
        }
        for what, (ours, theirs, _) in pairs.items():
            samples = in_turns({"ours": per_call(ours), "peer": per_call(theirs)}, ROUNDS)
            report.raw[what] = samples
            a, b = median(samples["ours"]) * 1e6, median(samples["peer"]) * 1e6
            report.add(what, a, "us", mark="within 0.3 us", met=a - b <= 0.3, peer=b)

        real = pages()
        fixed, first = layer.transform("deflate", strategy="fixed"), layer.transform("deflate", level=1)
        raw = igzip_lib.COMP_DEFLATE
        for what, transform, level in (("fixed Huffman", fixed, 0), ("level 1", first, 1)):
            for _ in range(3):
                for item in real:  # until the prediction is measured, so that the lane is inline
                    transform.compress(item).wait()
            lanes = {transform.compress(item).completion.lane for item in real}  # type: ignore[union-attr]
            ours = per_call(over(lambda item, t=transform: t.compress(item).wait(), real))  # type: ignore[misc]
            peer = per_call(over(lambda item, n=level: igzip_lib.compress(item, n, raw), real))  # type: ignore[misc]
            samples = in_turns({"ours": ours, "peer": peer}, ROUNDS)
            name = f"deflate a 4 KiB page, {what} (peer isal level {level}; lane {'/'.join(sorted(lanes))})"
            report.raw[name] = samples
            a, b = (median(samples[who]) / len(real) * 1e6 for who in ("ours", "peer"))
            report.add(name, a, "us", mark="<= 1.05 x", met=a <= 1.05 * b, peer=b)
            sizes = sum(len(transform.compress(item).wait()) for item in real)
            report.raw[name + ", bytes"] = {
                "ours": sizes,
                "peer": sum(len(igzip_lib.compress(i, level, raw)) for i in real),
            }
    report.finish()


if __name__ == "__main__":
    main()
