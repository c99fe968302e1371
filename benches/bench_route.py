"""A route of three stages (zstd, AES-GCM, HMAC) over 1 MiB records, beside the same by hand in one worker thread.

By hand is what a careful program does: a thread of its own, reused and keyed objects, the fastest library for each
stage that is here. Which of several those are is measured first, on the same records.
"""

from __future__ import annotations

import gc
import hashlib
import hmac
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from measure import Report, in_turns, median, per_call, quick

import acrypto

ROUNDS = quick(11)
RECORDS = 32
MIB = 1 << 20
KEY, NONCE, MAC_KEY = os.urandom(32), os.urandom(12), os.urandom(32)

Stage = Callable[[bytes], bytes]


def records(number: int) -> list[bytes]:
    """Records of real data: programs and their texts, no two alike."""
    data = bytearray()
    for place in (Path(sys.prefix) / "lib", Path(sys.base_prefix) / "lib"):
        for path in sorted(place.rglob("*.py")) + sorted(place.rglob("*.so*")):
            if len(data) >= number * MIB:
                break
            if path.is_file():
                data += path.read_bytes()[: 4 * MIB]
    return [bytes(data[at : at + MIB]) for at in range(0, len(data) - MIB + 1, MIB)][:number]


def by_cryptography(data: bytes) -> bytes:
    mac = HMAC(MAC_KEY, hashes.SHA256())
    mac.update(data)
    return mac.finalize()


def candidates() -> dict[str, dict[str, Stage]]:
    """Who could do each stage by hand."""
    # With the frame's checksum, as the zstd command and we write it.
    press, lock = zstandard.ZstdCompressor(level=3, write_checksum=True), AESGCM(KEY)
    return {
        "zstd": {
            "zstandard": press.compress,
            "acrypto one-shot": lambda data: acrypto.compress("zstd", data, level=3),  # type: ignore[dict-item, return-value]
        },
        "gcm(aes)": {
            "cryptography": lambda data: lock.encrypt(NONCE, data, None),
            "acrypto one-shot": lambda data: acrypto.encrypt("gcm(aes)", KEY, NONCE, data),  # type: ignore[dict-item, return-value]
        },
        "hmac(sha256)": {
            "hmac": lambda data: hmac.digest(MAC_KEY, data, "sha256"),
            "cryptography": by_cryptography,
            "acrypto one-shot": lambda data: acrypto.mac("hmac(sha256)", MAC_KEY, data),
        },
    }


def fastest(report: Report, sample: bytes) -> list[Stage]:
    """The best of each stage, measured."""
    chosen = []
    for stage, peers in candidates().items():
        samples = in_turns({name: per_call(lambda do=do: do(sample)) for name, do in peers.items()}, 5)  # type: ignore[misc]
        report.raw[f"by hand: {stage}"] = samples
        best = min(peers, key=lambda name: median(samples[name]))
        print(f"by hand, {stage}: {best}")
        chosen.append(peers[best])
    return chosen


def sampler(run: Callable[[], object]) -> Callable[[], float]:
    """Seconds of one turn over all records."""

    def sample() -> float:
        gc.collect()
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    return sample


def main() -> None:
    rounds, number = ROUNDS, quick(RECORDS, 4)
    report = Report("route")
    data = records(number)
    stages = fastest(report, data[0])
    press, lock, seal = stages

    def one(record: bytes) -> tuple[bytes, bytes]:
        sealed = lock(press(record))
        return sealed, seal(sealed)

    hand = ThreadPoolExecutor(1)

    def by_hand() -> None:
        for future in [hand.submit(one, record) for record in data]:
            future.result()

    cpus = len(os.sched_getaffinity(0))
    for workers in sorted({1, min(2, cpus)}):
        settings = acrypto.Settings(workers=workers)
        with acrypto.open(["software"], settings=settings) as layer:
            route = layer.route(
                layer.transform("zstd", level=3),
                layer.transform("gcm(aes)", key=KEY),
                layer.transform("hmac(sha256)", key=MAC_KEY),
            )

            def ours(route: acrypto.Route = route) -> None:
                for operation in [route.run(record, nonce=NONCE) for record in data]:
                    operation.wait()

            sealed = bytes(route.run(data[0], nonce=NONCE).wait())
            plain = AESGCM(KEY).decrypt(NONCE, sealed[:-32], None)
            assert zstandard.ZstdDecompressor().decompressobj().decompress(plain) == data[0]
            assert hmac.new(MAC_KEY, sealed[:-32], hashlib.sha256).digest() == sealed[-32:]
            ours()
            by_hand()
            samples = in_turns({"ours": sampler(ours), "peer": sampler(by_hand)}, rounds)
        least = {1: 1.0, 2: 1.7}[workers]
        name = f"zstd -3, AES-256-GCM, HMAC of 1 MiB, {workers} worker{'s'[: workers - 1]} (peer: by hand, one thread)"
        report.raw[name] = samples
        a, b = (median(samples[who]) / len(data) * 1e3 for who in ("ours", "peer"))
        report.add(name, a, "ms", mark=f">= {least} x", met=b / a >= least, peer=b)
    hand.shutdown()
    report.finish()


if __name__ == "__main__":
    main()
