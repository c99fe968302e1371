"""Files from the page cache, whole commands, start-up included: ours and the best that a user has, in turns.

ACRYPTO_BENCH_DIR chooses where the input (a tar of this machine's own /usr, 1 GiB unless ACRYPTO_BENCH_MIB says
otherwise) is made; output goes to /dev/null.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import measure
from measure import PYTHON, Report, command, median, quick, tool

MIB = int(os.environ.get("ACRYPTO_BENCH_MIB", str(quick(1024, 32))))
ROUNDS = quick(7)
compare = partial(measure.compare, rounds=ROUNDS)
ACRYPTO = str(Path(PYTHON).parent / "acrypto")
THREADED = (
    "import shutil, sys; from isal import igzip_threaded;"
    "source = open(sys.argv[1], 'rb'); target = igzip_threaded.open('/dev/null', 'wb', compresslevel=1, threads=2);"
    "shutil.copyfileobj(source, target, 1 << 20); target.close()"
)
#: The same through our library, for the comparison of libraries: no command line on either side.
LIBRARY = (
    "import sys, acrypto; from acrypto.streams.compress import compress;"
    "layer = acrypto.open(settings=acrypto.Settings(workers=2)); layer.__enter__();"
    "compress(layer, open(sys.argv[1], 'rb', buffering=0), open('/dev/null', 'wb', buffering=0), level=1);"
    "layer.close()"
)


def make_input(folder: Path) -> Path:
    """A tar of real files, cut to size."""
    path = folder / "input.tar"
    script = "tar cf - --sort=name -C / usr/lib usr/bin usr/share usr/include 2>/dev/null | head -c $1 > $2"
    subprocess.run(["bash", "-c", script, "make-input", str(MIB << 20), str(path)], check=True)
    if path.stat().st_size < MIB << 20:
        sys.exit(f"/usr gives only {path.stat().st_size} bytes; set ACRYPTO_BENCH_MIB to less")
    return path


def limit(report: Report, source: Path) -> None:
    """What two cores can do at all: two igzip at once, each on half of the input."""
    halves = [source.with_name(name) for name in ("half.1", "half.2")]
    cut = "head -c $2 $1 > $3; tail -c +$(($2 + 1)) $1 > $4"
    middle = str(source.stat().st_size // 2)
    subprocess.run(["bash", "-c", cut, "cut", str(source), middle, *map(str, halves)], check=True)
    script = "igzip -1 -c $1 >/dev/null & igzip -1 -c $2 >/dev/null & wait"
    argv = ["bash", "-c", script, "two-at-once", *map(str, halves)]
    samples = [command(argv)["wall"] for _ in range(ROUNDS)]
    report.raw["two igzip -1 at once, each on half"] = samples
    report.add("gzip -1, the limit: two igzip at once, each on half", median(samples), "s", mark="", met=None)
    for half in halves:
        half.unlink()


def main() -> None:
    report = Report("files")
    report.raw["input"] = f"{MIB} MiB of a tar of /usr, page cache"
    missing = [name for name in ("igzip", "zstd", "bgzip") if tool(name) is None]
    if missing:
        sys.exit(f"peers are missing: {', '.join(missing)}; make setup installs them")
    with tempfile.TemporaryDirectory(dir=os.environ.get("ACRYPTO_BENCH_DIR")) as name:
        folder = Path(name)
        source = str(make_input(folder))
        made = {
            "foreign.gz": ["igzip", "-1", "-c", source],
            "bgzip.gz": ["bgzip", "-l", "1", "-@", "2", "-c", source],
            "ours.gz": [ACRYPTO, "compress", "-f", "gzip", "-l", "1", "-c", source],
            "foreign.zst": ["zstd", "-1", "-q", "-T2", "-c", source],
            "ours.zst": [ACRYPTO, "compress", "-f", "zstd", "-l", "1", "-c", source],
        }
        for file, argv in made.items():
            command(argv, stdout=folder / file)
        threaded = "import shutil, sys; from isal import igzip_threaded as g; shutil.copyfileobj(open(sys.argv[1], 'rb'), f := g.open(sys.argv[2], 'wb', compresslevel=1, threads=2), 1 << 20); f.close()"  # noqa: E501 - one expression for -c
        command([PYTHON, "-c", threaded, source, str(folder / "threaded.gz")])
        sizes = {file: (folder / file).stat().st_size for file in [*made, "threaded.gz"]}
        report.raw["sizes"] = sizes
        for ours, peer in (("ours.gz", "threaded.gz"), ("ours.gz", "foreign.gz"), ("ours.zst", "foreign.zst")):
            a, b = sizes[ours] / 1e6, sizes[peer] / 1e6
            report.add(f"size of {ours} (peer {peer})", a, "MB", mark="no larger", met=a <= b, peer=b)

        gz, zst, own_gz, own_zst = (str(folder / n) for n in ("foreign.gz", "foreign.zst", "ours.gz", "ours.zst"))
        pack, unpack = [ACRYPTO, "compress", "-c", "-l", "1", "-f"], [ACRYPTO, "decompress", "-c"]
        peer_threaded = [PYTHON, "-c", THREADED, source]
        compare(
            report, "gzip -1, library (peer isal.igzip_threaded, 2 threads)",
            [PYTHON, "-c", LIBRARY, source], peer_threaded, least=1.35, rss=128,
        )  # fmt: skip
        compare(
            report, "gzip -1, command (peer isal.igzip_threaded, 2 threads)",
            [*pack, "gzip", source], peer_threaded, least=1.35, rss=128,
        )  # fmt: skip
        limit(report, Path(source))
        zstd = ["zstd", "-1", "-q", "-T2", "-c", source]
        compare(report, "zstd -1 (peer zstd -1 -T2)", [*pack, "zstd", source], zstd, least=1.0)
        igzip = ["igzip", "-d", "-c", gz]
        compare(report, "gunzip of igzip's file (peer igzip -d)", [*unpack, gz], igzip, least=1.05)
        compare(
            report,
            "gunzip of our file (peer igzip -d of it)",
            [*unpack, own_gz],
            ["igzip", "-d", "-c", own_gz],
            least=1.7,
        )
        blocks = str(folder / "bgzip.gz")
        peer_blocks = ["igzip", "-d", "-c", blocks]
        compare(report, "gunzip of bgzip's file (peer igzip -d of it)", [*unpack, blocks], peer_blocks, least=1.7)
        compare(
            report, "zstd -d of zstd's file (peer zstd -d)", [*unpack, zst], ["zstd", "-d", "-q", "-c", zst], least=1.0
        )
        compare(
            report, "zstd -d of our file (peer zstd -d of it)",
            [*unpack, own_zst], ["zstd", "-d", "-q", "-c", own_zst], least=1.0,
        )  # fmt: skip
    report.finish()


if __name__ == "__main__":
    main()
