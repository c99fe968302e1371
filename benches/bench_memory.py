"""Peak memory of commands on files that are larger than it: through everything, and back.

A sparse file of 8 GiB and a real one of 4 GiB; ACRYPTO_BENCH_MIB scales them (4096, its default, is that of the real
one). ACRYPTO_BENCH_DIR chooses where they and what is made of them lie: about three times the real one's size.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import PYTHON, Report, command, quick

MIB = int(os.environ.get("ACRYPTO_BENCH_MIB", str(quick(4096, 16))))
ACRYPTO = str(Path(PYTHON).parent / "acrypto")
#: The most MiB that a command may hold at once.
MOST = 96.0
FORMATS = ("gzip", "bgzf", "zstd", "lz4")


def make_sources(folder: Path) -> dict[str, Path]:
    """One that is a hole, and one of as much of this machine's own /usr as it takes, again and again."""
    sources = {"sparse": folder / "sparse", "real": folder / "real"}
    with open(sources["sparse"], "wb") as sparse:
        sparse.truncate(2 * MIB << 20)
    script = "while tar cf - --sort=name -C / usr/lib usr/bin usr/share 2>/dev/null; do :; done | head -c $1 > $2"
    subprocess.run(["bash", "-c", script, "make-input", str(MIB << 20), str(sources["real"])], check=True)
    return sources


def measure(report: Report, what: str, argv: list[str], result: Path | None = None, size: int = 0) -> None:
    """A row: the peak; and what came out has the right size."""
    run = command([ACRYPTO, *argv])
    report.raw[what] = {"argv": [Path(word).name if word.startswith("/") else word for word in argv], **run}
    right = result is None or result.stat().st_size == size
    report.add(what, run["rss_mib"], "MiB", mark=f"<= {MOST:.0f} MiB", met=right and run["rss_mib"] <= MOST)
    report.add("  time of it", run["wall"], "s", mark="", met=None)


def through(report: Report, folder: Path, name: str, source: Path, key: Path, to: str) -> None:
    """One source through all commands."""
    size = source.stat().st_size
    packed, back = folder / "packed", folder / "back"
    what = f"{name}, {size / (1 << 30):.2f} GiB"
    pairs = {
        each: (["compress", "-f", each], ["decompress", "--max-output", "none"]) for each in FORMATS
    }  # fmt: skip
    pairs["age"] = (["encrypt", "-r", to], ["decrypt", "-i", str(key)])
    measure(report, f"{what}: digest", ["digest", str(source)])
    for each, (there, again) in pairs.items():
        measure(report, f"{what}: {there[0]} {each}", [*there, "--force", str(source), "-o", str(packed)])
        measure(
            report, f"{what}: {again[0]} {each}", [*again, "--force", str(packed), "-o", str(back)], back, size
        )  # fmt: skip
    stages = f"zstd | digest:sha256 | age:-r {to}"
    measure(report, f"{what}: run zstd, age", ["run", "--force", stages, str(source), str(packed)])
    stages = f"decrypt:-i {key} | decompress"
    words = ["run", "--force", "--max-output", "none", stages, str(packed), str(back)]
    measure(report, f"{what}: run back", words, back, size)
    for made in (packed, back):
        made.unlink()


def main() -> None:
    report = Report("memory")
    report.raw["input"] = f"sparse {2 * MIB} MiB, real {MIB} MiB of a tar of /usr"
    with tempfile.TemporaryDirectory(dir=os.environ.get("ACRYPTO_BENCH_DIR")) as name:
        folder = Path(name)
        key = folder / "key"
        subprocess.run([ACRYPTO, "keygen", "-o", str(key)], check=True, capture_output=True)
        to = next(line.split()[-1] for line in key.read_text().splitlines() if line.startswith("# public key:"))
        for kind, source in make_sources(folder).items():
            through(report, folder, kind, source, key, to)
            source.unlink()
    report.finish()
    if any(row["met"] is False for row in report.rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
