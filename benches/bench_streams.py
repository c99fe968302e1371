"""Files through several stages, and into files: whole commands, start-up included, ours and the peer's in turns.

ACRYPTO_BENCH_DIR chooses where the input (a tar of this machine's own /usr, 1 GiB unless ACRYPTO_BENCH_MIB says
otherwise) and the output are made: a tmpfs, so that no disk is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import measure
from bench_files import ACRYPTO, MIB, make_input
from measure import PYTHON, Report, median, quick, tool

ROUNDS = quick(7)
RSS = 96.0
compare = partial(measure.compare, rounds=ROUNDS, rss=RSS)
#: One core for everything: reading, encrypting, and the thread that drives. Prints seconds.
SEALED = """
import os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import acrypto
from acrypto.streams import Pipeline, TinkEncrypt
from acrypto.streams.tink.format import Parameters
with acrypto.open(settings=acrypto.Settings(workers=1)) as layer, open(sys.argv[1], "rb") as source:
    null = os.open("/dev/null", os.O_WRONLY)
    stage = TinkEncrypt(bytes(range(32)), parameters=Parameters(int(sys.argv[2])))
    for _ in range(4):
        source.seek(0)
        started = time.perf_counter()
        Pipeline(layer, source, [stage], null).drive()
        print(time.perf_counter() - started)
"""


#: What the parts of the work cost, each alone. Prints pairs of a name and seconds.
PARTS = """
import sys, time
import acrypto
from acrypto.streams import Decompress, Encrypt, Pipeline, X25519Identity
from acrypto.streams.tally import Tally

class Timed(Tally):
    seconds_run = 0.0
    def ran(self, operation, *, beside=False):
        self.seconds_run += operation.completion.run_ns / 1e9
        super().ran(operation, beside=beside)

source, packed, out = sys.argv[1:]
with acrypto.open(settings=acrypto.Settings(workers=1)) as layer:
    for name, origin, stages in (
        ("age: the cipher", source, [Encrypt([X25519Identity.generate().recipient])]),
        ("gunzip of igzip's file: inflating", packed, [Decompress(limited=False)]),
    ):
        tally = Timed()
        Pipeline(layer, origin, stages, None, tally=tally).drive()
        print(name, tally.seconds_run, sep="=")
    for name, sink in (("reading from tmpfs", None), ("reading, and writing a new file to tmpfs", out)):
        started = time.perf_counter()
        Pipeline(layer, source, [], sink, via="threads").drive()
        print(name, time.perf_counter() - started, sep="=")
"""


def parts(report: Report, source: str, packed: str, out: str) -> None:
    """What bounds the rows above, whoever drives."""
    samples: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        Path(out).unlink(missing_ok=True)
        done = subprocess.run([PYTHON, "-c", PARTS, source, packed, out], capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            name, seconds = line.split("=")
            samples.setdefault(name, []).append(float(seconds))
    for name, seconds in samples.items():
        what = f"alone, on one core: {name}"
        report.raw[what] = seconds
        report.add(what, median(seconds), "s", mark="", met=None)


def gcm(report: Report, source: str, segment: int, least: float | None) -> None:
    """AES-GCM on one core, in bytes a second: no command line, since a part of a second is all it takes."""
    samples = []
    for _ in range(3):
        done = subprocess.run([PYTHON, "-c", SEALED, source, str(segment)], capture_output=True, text=True, check=True)
        samples += [float(line) for line in done.stdout.split()[1:]]
    what = f"AES-GCM (Tink, segments of {segment >> 10} KiB) of a cached file to /dev/null, one core"
    report.raw[what] = samples
    speed = (MIB << 20) / median(samples) / 1e9
    mark = "" if least is None else f">= {least} GB/s"
    report.add(what, speed, "GB/s", mark=mark, met=None if least is None else speed >= least)


def main() -> None:
    report = Report("streams")
    missing = [name for name in ("age", "age-keygen", "igzip", "zstd") if tool(name) is None]
    if missing:
        sys.exit(f"peers are missing: {', '.join(missing)}; make setup installs them")
    with tempfile.TemporaryDirectory(dir=os.environ.get("ACRYPTO_BENCH_DIR", "/dev/shm")) as name:
        folder = Path(name)
        source, key = str(make_input(folder)), str(folder / "key")
        report.raw["input"] = f"{MIB} MiB of a tar of /usr, on tmpfs; output on tmpfs where it says file"
        subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
        public = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()
        sealed, out = str(folder / "sealed.age"), str(folder / "out")
        subprocess.run(["age", "-r", public, "-o", sealed, source], check=True)

        def removed() -> None:
            Path(out).unlink(missing_ok=True)

        compare(
            report, "age, encrypt to a file (peer age)",
            [ACRYPTO, "encrypt", "-r", public, "-o", out, source], ["age", "-r", public, "-o", out, source],
            least=2.0, before=removed,
        )  # fmt: skip
        compare(
            report, "age, decrypt to a file (peer age)",
            [ACRYPTO, "decrypt", "-i", key, "-o", out, sealed], ["age", "-d", "-i", key, "-o", out, sealed],
            least=2.0, before=removed,
        )  # fmt: skip
        removed()
        piped = f"zstd -q -3 -T2 -c {source} | age -r {public} > {out}"
        compare(
            report, "zstd -3 and age to a file (peer zstd -T2 | age)",
            [ACRYPTO, "run", f"zstd:3 | age:-r {public}", source, out], ["sh", "-c", piped],
            least=1.2, before=removed,
        )  # fmt: skip
        removed()
        packed = folder / "foreign.gz"
        measure.command(["igzip", "-1", "-c", source], stdout=packed)
        parts(report, source, str(packed), out)
        removed()
        gcm(report, source, 1 << 16, 4.0)
        gcm(report, source, 1 << 20, None)
    report.finish()


if __name__ == "__main__":
    main()
