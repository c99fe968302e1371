"""Show acrypto at work on a large real file, with other people's tools as judges.

Makes a tar of this machine's Python library, documents, programs and libraries, then drives the `acrypto` command as a
user would: compress, let `gzip -t` and `zstd -t` judge, decompress, compare, and digest against `sha256sum`. Any
mismatch ends it with exit code 1. ACRYPTO_DEMO_DIR says where to put the files, which are removed at the end.
"""

import filecmp
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

INPUT_BYTES = 500 << 20
SLICE_BYTES = 64 << 20  # each kind of file gives this much in its turn; larger files are left out
SPACE_BYTES = 3 * (INPUT_BYTES + 2 * SLICE_BYTES)  # the input, its compressed form and the restored copy

KINDS = (
    (Path(sysconfig.get_path("stdlib")), *sorted(Path("/usr/lib").glob("python3*"))),
    (Path("/usr/share/doc"), Path("/usr/share/man"), Path("/usr/share/info")),
    (Path("/usr/bin"), Path("/usr/sbin"), Path("/usr/local/bin")),
    (Path(f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}"), Path("/usr/lib64"), Path("/usr/lib")),
)


class Mismatch(Exception):
    """A judge said no, or a command failed."""


@dataclass(frozen=True)
class Case:
    """One format and level, and the command that judges the result."""

    format: str
    level: int
    suffix: str
    judge: tuple[str, ...]


CASES = (
    Case("gzip", 1, ".gz", ("gzip", "-t")),
    Case("gzip", 6, ".gz", ("gzip", "-t")),
    Case("zstd", 3, ".zst", ("zstd", "-t", "-q")),
)


# ---- The input


def files(roots: tuple[Path, ...], seen: set[tuple[int, int]]) -> Iterator[tuple[Path, bytes]]:
    """The readable regular files under some roots, each once, in an order that does not change between runs."""
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for path in (Path(folder, name) for name in sorted(names)):
                try:
                    found = path.lstat()
                    identity = (found.st_dev, found.st_ino)
                    if path.is_symlink() or not path.is_file() or found.st_size > SLICE_BYTES or identity in seen:
                        continue
                    seen.add(identity)
                    yield path, path.read_bytes()
                except OSError:  # unreadable for this user, or gone meanwhile
                    continue


def members() -> Iterator[tuple[str, bytes]]:
    """Names and contents without end: a slice of each kind in turn, and all anew when the machine has no more."""
    for again in count():
        seen: set[tuple[int, int]] = set()
        kinds = [files(roots, seen) for roots in KINDS]
        while kinds:
            for kind in tuple(kinds):
                taken = 0
                for path, data in kind:
                    yield f"copy{again}{path}", data
                    taken += len(data)
                    if taken >= SLICE_BYTES:
                        break
                else:
                    kinds.remove(kind)
        if not seen:
            raise Mismatch("found no file to read for the input")


def make_input(target: Path) -> None:
    """Writes the tar, at least INPUT_BYTES of it."""
    with target.open("wb") as out, tarfile.open(fileobj=out, mode="w|") as tar:
        for name, data in members():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
            if out.tell() >= INPUT_BYTES:
                break


def workplace() -> Path:
    """The folder for the files: the one asked for, else the first usual one with room enough."""
    asked = os.environ.get("ACRYPTO_DEMO_DIR")
    places = [Path(asked)] if asked else [Path("/var/tmp"), Path(tempfile.gettempdir()), Path.cwd()]
    for place in places:
        if place.is_dir() and os.access(place, os.W_OK) and shutil.disk_usage(place).free >= SPACE_BYTES:
            return place
    tried = ", ".join(map(str, places))
    raise Mismatch(f"needs {SPACE_BYTES >> 20} MiB free in one of: {tried}; ACRYPTO_DEMO_DIR names another folder")


# ---- The commands


def run(*command: str | Path) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Mismatch(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def acrypto(*arguments: str | Path) -> dict[str, Any]:
    """What `acrypto ... --json` tells about one file."""
    installed = Path(sys.executable).with_name("acrypto")
    told: dict[str, Any] = json.loads(run(installed, *arguments, "--json"))
    return told


def expect(condition: bool, otherwise: str) -> None:
    """Ends the demo unless the condition holds."""
    if not condition:
        raise Mismatch(otherwise)


# ---- The table

HEADINGS = ("step", "bytes in", "bytes out", "ratio", "MB/s", "device", "lane", "verdict")
WIDTHS = (18, 13, 13, 6, 7, 10, 7, 24)


def row(*cells: str) -> None:
    """Prints one line: words to the left, figures to the right."""
    aligned = (
        f"{cell:>{width}}" if 0 < at < 5 else f"{cell:<{width}}"
        for at, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    )
    print("  ".join(aligned).rstrip(), flush=True)


def report(step: str, told: dict[str, Any], sizes: tuple[int, int] | None, plain: int, verdict: str) -> None:
    """Prints one step. Speed counts the uncompressed bytes, whichever way they went."""
    speed = f"{plain / told['seconds'] / 1e6:,.0f}"
    source, result = sizes or (plain, len(told.get("digest", "")) // 2)
    ratio = f"{plain / min(sizes):.2f}" if sizes else ""
    row(
        step,
        f"{source:,}",
        f"{result:,}",
        ratio,
        speed,
        told["device"] or "its own threads",
        told["lane"] or "",
        verdict,
    )


# ---- The demo


def round_trip(case: Case, source: Path) -> None:
    """Compress, judge, decompress, compare."""
    step = f"{case.format} -{case.level}"
    packed = source.with_name(source.name + case.suffix)
    restored = source.with_name("restored.tar")
    plain = source.stat().st_size

    told = acrypto("compress", "-f", case.format, "-l", str(case.level), "-o", packed, source)
    size = packed.stat().st_size
    expect((told["bytes_in"], told["bytes_out"]) == (plain, size), f"{step}: the sizes told are not those of the files")
    run(*case.judge, packed)
    report(step, told, (plain, size), plain, f"{' '.join(case.judge[:2])}: good")

    told = acrypto("decompress", "-o", restored, packed)
    expect(filecmp.cmp(source, restored, shallow=False), f"{step}: the restored file differs from the input")
    report(f"{step}, back", told, (size, plain), plain, "equal to the input")
    packed.unlink()
    restored.unlink()


def digest(source: Path) -> None:
    """Digest, and ask sha256sum."""
    told = acrypto("digest", "-a", "sha256", source)
    expect(told["digest"] == run("sha256sum", source).split()[0], "sha256: sha256sum says another value")
    report("sha256", told, None, source.stat().st_size, "equal to sha256sum's")


def main() -> int:
    """Runs the demo; the exit code."""
    try:
        lacking = sorted({name for name in ("gzip", "zstd", "sha256sum") if not shutil.which(name)})
        expect(not lacking, f"the judges are missing: {', '.join(lacking)} (make setup installs them)")
        with tempfile.TemporaryDirectory(prefix="acrypto-demo-", dir=workplace()) as folder:
            source = Path(folder, "machine.tar")
            print(
                "making the input from this machine's Python library, documents, programs and libraries ...", flush=True
            )
            make_input(source)
            print(f"{source.stat().st_size:,} bytes\n")
            row(*HEADINGS)
            row(*("-" * width for width in WIDTHS))
            for case in CASES:
                round_trip(case, source)
            digest(source)
    except Mismatch as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    print("\nEvery result was right. MB/s counts uncompressed bytes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
