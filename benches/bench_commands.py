"""Our commands beside everything else that does the same to a file: tools, and Python's libraries.

One input in the page cache, output to /dev/null, start-up included. Where `files`, `streams` and `digest` go deep on
the strongest peer, this goes wide: what a user has today, whatever it is. A peer that is not installed is left out and
named. Slow ones run once.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_files import ACRYPTO, MIB, THREADED, make_input
from measure import PYTHON, Report, command, median, quick, tool

ROUNDS = quick(3)
#: Seconds from which on one run has to do.
SLOW = 4.0
COPY = "import shutil, sys; {imports}; source = open(sys.argv[1], 'rb'); target = {target}; "
COPY += "shutil.copyfileobj(source, target, 1 << 20); target.close()"
BACK = "import shutil, sys; {imports}; shutil.copyfileobj({source}, open('/dev/null', 'wb'), 1 << 20)"
AESGCM = "from cryptography.hazmat.primitives.ciphers.aead import AESGCM; import sys; key = AESGCM(bytes(32)); "
LOOP = AESGCM + (
    "source, target, n = open(sys.argv[1], 'rb', buffering=0), open('/dev/null', 'wb', buffering=0), 0\n"
    "while piece := source.read(1 << 20):\n"
    "    target.write(key.encrypt(n.to_bytes(12), piece, None)); n += 1"
)
DIGEST = "import hashlib, sys; print(hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256').hexdigest())"
Argv = list[str]


def python(code: str, *arguments: str) -> Argv:
    return [PYTHON, "-c", code, *arguments]


def copy(imports: str, target: str, source: str) -> Argv:
    return python(COPY.format(imports=imports, target=target), source)


def back(imports: str, opened: str, source: str) -> Argv:
    return python(BACK.format(imports=imports, source=opened), source)


def jobs(source: str, gz: str, zst: str, recipient: str) -> Iterator[tuple[str, Argv, dict[str, Argv]]]:
    """What is done, our command, and the peers'."""
    pack, unpack = [ACRYPTO, "compress", "-c", "-f"], [ACRYPTO, "decompress", "-c"]
    null = "'/dev/null', 'wb'"
    threads = f"gzip_ng_threaded.open({null}, compresslevel=1, threads=2)"
    peers = {
        "gzip -1": ["gzip", "-1", "-c", source],
        "pigz -1 -p1": ["pigz", "-1", "-p1", "-c", source],
        "pigz -1 -p2": ["pigz", "-1", "-p2", "-c", source],
        "igzip -1": ["igzip", "-1", "-c", source],
        "bgzip -l 1 -@ 2": ["bgzip", "-l", "1", "-@", "2", "-c", source],
        "python -m isal.igzip -1": [PYTHON, "-m", "isal.igzip", "-1", "-c", source],
        "isal.igzip_threaded": python(THREADED, source),
        "zlib_ng.gzip_ng_threaded": copy("from zlib_ng import gzip_ng_threaded", threads, source),
        "pgzip": copy("import pgzip", f"pgzip.open({null}, compresslevel=1, thread=2)", source),
        "Python's gzip": copy("import gzip", f"gzip.open({null}, compresslevel=1)", source),
    }
    yield "gzip -1", [*pack, "gzip", "-l", "1", source], peers
    for level in ("1", "3"):
        opened = f"zstandard.open({null}, cctx=zstandard.ZstdCompressor(level={level}, threads=2))"
        peers = {
            f"zstd -{level} -T2": ["zstd", f"-{level}", "-q", "-T2", "-c", source],
            f"zstandard, level {level}, 2 threads": copy("import zstandard", opened, source),
        }
        yield f"zstd -{level}", [*pack, "zstd", "-l", level, source], peers
    yield "lz4", [*pack, "lz4", source], {"lz4 -1": ["lz4", "-1", "-q", "-c", source]}
    peers = {
        "gzip -d": ["gzip", "-d", "-c", gz],
        "pigz -d": ["pigz", "-d", "-c", gz],
        "igzip -d": ["igzip", "-d", "-c", gz],
        "isal.igzip_threaded": back("from isal import igzip_threaded", "igzip_threaded.open(sys.argv[1], 'rb')", gz),
        "Python's gzip": back("import gzip", "gzip.open(sys.argv[1], 'rb')", gz),
    }
    yield "gunzip of gzip's file", [*unpack, gz], peers
    yield "zstd -d of zstd's file", [*unpack, zst], {"zstd -d": ["zstd", "-d", "-q", "-c", zst]}
    peers = {
        "sha256sum": ["sha256sum", source],
        "openssl dgst": ["openssl", "dgst", "-sha256", source],
        "hashlib.file_digest": python(DIGEST, source),
    }
    yield "sha256", [ACRYPTO, "digest", source], peers
    peers = {"b3sum": ["b3sum", source], "b3sum --no-mmap": ["b3sum", "--no-mmap", source]}
    yield "blake3", [ACRYPTO, "digest", "-a", "blake3", source], peers
    peers = {
        "age": ["age", "-r", recipient, source],
        "openssl enc -aes-256-ctr": ["openssl", "enc", "-aes-256-ctr", "-pbkdf2", "-k", "x", "-in", source],
        "openssl enc -chacha20": ["openssl", "enc", "-chacha20", "-pbkdf2", "-k", "x", "-in", source],
        "Python, read and AESGCM.encrypt": python(LOOP, source),
    }
    yield "encrypt (age)", [ACRYPTO, "encrypt", "-r", recipient, "-o", "-", source], peers


def lacking(argv: Argv) -> str | None:
    """What a command needs and has not."""
    if argv[0] != PYTHON:
        return None if tool(argv[0]) else argv[0]
    for package in ("isal", "zlib_ng", "pgzip", "zstandard", "cryptography"):
        if any(package in word for word in argv[1:3]) and importlib.util.find_spec(package) is None:
            return package
    return None


def measure(report: Report, what: str, ours: Argv, peers: dict[str, Argv], size: int) -> None:
    """One job: everybody in turns."""
    there = {name: argv for name, argv in peers.items() if lacking(argv) is None}
    left_out: dict[str, Any] = report.raw.setdefault("left out", {})
    left_out |= {
        f"{what}: {name}": f"{lacking(argv)} is not installed" for name, argv in peers.items() if name not in there
    }
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in ("ours", *there)}
    for _ in range(ROUNDS):
        for name, argv in {"ours": ours, **there}.items():
            if not samples[name] or samples[name][0]["wall"] < SLOW:
                samples[name].append(command(argv))
    report.raw[f"{what}, wall, CPU and peak memory"] = samples
    report.raw.setdefault("commands", {})[what] = {
        name: " ".join(Path(word).name if word.startswith("/") else word for word in argv)
        for name, argv in {"ours": ours, **there}.items()
    }
    walls = {name: [each["wall"] for each in found] for name, found in samples.items()}
    for name in there:
        report.times(f"{what} (peer {name})", walls["ours"], "s", peer=walls[name])
    report.add(f"{what}, ours", size / median(walls["ours"]) / 1e6, "MB/s", mark="", met=None)


def main() -> None:
    report = Report("commands")
    report.raw["input"] = f"{MIB} MiB of a tar of /usr, page cache"
    with tempfile.TemporaryDirectory(dir=os.environ.get("ACRYPTO_BENCH_DIR")) as name:
        folder = Path(name)
        source = make_input(folder)
        gz, zst, key = folder / "in.gz", folder / "in.zst", folder / "key"
        command([tool("igzip") or "gzip", "-1", "-c", str(source)], stdout=gz)
        command(["zstd", "-1", "-q", "-c", str(source)], stdout=zst)
        command([ACRYPTO, "keygen", "-o", str(key)])
        recipient = next(line.split()[-1] for line in key.read_text().splitlines() if "public key:" in line)
        for what, ours, peers in jobs(str(source), str(gz), str(zst), recipient):
            measure(report, what, ours, peers, MIB << 20)
    report.finish()


if __name__ == "__main__":
    main()
