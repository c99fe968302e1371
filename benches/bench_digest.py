"""Digests of files in the page cache, whole commands, start-up included: ours and the best that a user has, in turns.

ACRYPTO_BENCH_DIR chooses where the input is made: one file (1 GiB unless ACRYPTO_BENCH_MIB says otherwise), many small
ones, and a sparse one of 8 GiB for the memory.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from functools import partial
from pathlib import Path

import measure
from measure import PYTHON, Report, command, quick, tool

MIB = int(os.environ.get("ACRYPTO_BENCH_MIB", str(quick(1024, 16))))
ROUNDS = quick(9)
SMALL, SPARSE = quick(20_000, 500), quick(8192, 64) << 20
ACRYPTO = str(Path(PYTHON).parent / "acrypto")
#: Most that a run may have in memory; mapped pages count.
RSS = 96.0
compare = partial(measure.compare, rounds=ROUNDS, rss=RSS)


def make_input(folder: Path) -> tuple[str, str, str]:
    """One large file, a folder of small ones, one that is all hole."""
    chosen = random.Random(1)
    large, small, sparse = folder / "large", folder / "small", folder / "sparse"
    with open(large, "wb") as out:
        for _ in range(MIB):
            out.write(chosen.randbytes(1 << 20))
    for number in range(SMALL):
        path = small / f"{number % 100:02}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chosen.randbytes(chosen.randrange(16 << 10)))
    with open(sparse, "wb") as out:
        out.truncate(SPARSE)
    return str(large), str(small), str(sparse)


def main() -> None:
    report = Report("digest")
    missing = [name for name in ("openssl", "b3sum", "sha256sum") if tool(name) is None]
    if missing:
        sys.exit(f"peers are missing: {', '.join(missing)}; make setup installs them")
    with tempfile.TemporaryDirectory(dir=os.environ.get("ACRYPTO_BENCH_DIR")) as name:
        large, small, sparse = make_input(Path(name))
        report.raw["input"] = f"{MIB} MiB of noise; {SMALL} files of up to 16 KiB; page cache"
        digest = [ACRYPTO, "digest"]
        openssl = ["openssl", "dgst", "-sha256", large]
        compare(report, "sha256 of 1 file (peer openssl dgst)", [*digest, large], openssl, least=1.0)
        one = ["taskset", "-c", "0"]
        compare(report, "  the same on one core", [*one, *digest, large], [*one, *openssl], least=None)
        blake3 = [*digest, "-a", "blake3"]
        compare(
            report, "blake3 of 1 file, read (peer b3sum, which maps it)", [*blake3, large], ["b3sum", large], least=0.95
        )
        compare(report, "  mapped", [*blake3, "--mmap", large], ["b3sum", large], least=None)
        compare(report, "  peer reads as well", [*blake3, large], ["b3sum", "--no-mmap", large], least=None)
        # Both sides find the files themselves, and write the same lines in the same order.
        found = f"find {small} -type f -print0 | LC_ALL=C sort -z | xargs -0 -P2 -n 2000 sha256sum"
        many = f"sha256 of {SMALL} small files (peer find, sort, xargs -P2 sha256sum)"
        compare(report, many, [*digest, "-r", small], ["sh", "-c", found], least=1.0)
        compare(
            report,
            "start-up: no bytes at all (peer openssl dgst)",
            [*digest, os.devnull],
            [*openssl[:3], os.devnull],
            least=None,
        )
        for algorithm in ("sha256", "blake3"):
            for how in ("--no-mmap", "--mmap"):
                run = command([*digest, "-a", algorithm, how, sparse])
                report.raw[f"sparse {algorithm} {how}"] = run
                what = f"{algorithm} {how} of a sparse file of {SPARSE / (1 << 30):g} GiB, peak memory"
                report.add(what, run["rss_mib"], "MiB", mark=f"<= {RSS:.0f} MiB", met=run["rss_mib"] <= RSS)
    report.finish()


if __name__ == "__main__":
    main()
