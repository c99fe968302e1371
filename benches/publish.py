"""Writes docs/performance.md, its plots and README's table from the raw results, so that no claim is without them.

The words stand in the pages themselves; only what is between `<!-- name: begin -->` and its end is written here.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import performance
import plots

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"
PAGE, README, PLOTS = ROOT / "docs" / "performance.md", ROOT / "README.md", ROOT / "docs" / "plots"
#: What README shows of it all: the bench, and how its row begins.
SHORT = [
    ("overhead", "digest_many"),
    ("overhead", "64 queued, awaited one after the other (asyncio"),
    ("overhead", "64 queued, in one gather (asyncio"),
    ("oneshot", "sha256 of 4 KiB"),
    ("oneshot", "AES-256-GCM of 4 KiB, transform"),
    ("oneshot", "deflate a 4 KiB page, level 1"),
    ("crypto", "SHA-256 of 4 KiB, 64"),
    ("crypto", "AES-128-CBC encrypt of 4 KiB, 64 through"),
    ("sectors", "AES-256-XTS encrypt 16 x 4096 B (peer"),
    ("pages", "compress a page, 64"),
    ("pages", "decompress a page, 64"),
    ("stall", "AES-256-GCM of 64 MiB: worst gap"),
    ("stall", "peer: to_thread(AESGCM.encrypt): worst gap"),
    ("files", "gzip -1, command"),
    ("files", "gunzip of our file"),
    ("files", "gunzip of igzip's file"),
    ("files", "zstd -1"),
    ("files", "sha256"),
    ("import", "import acrypto"),
    ("open", "open a layer"),
    ("balance", "place and queue one request"),
    ("waiting", "one of a million requests, queued, beyond"),
]


def load() -> dict[str, dict[str, Any]]:
    """Every result, by its bench's name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}


def put(page: str, name: str, text: str) -> str:
    """The page with other text between a pair of markers; ValueError if they are not there, once each."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{text}\n{end}{after}"


def page(old: str, results: dict[str, dict[str, Any]]) -> str:
    """docs/performance.md with these results."""
    for name, part in performance.PARTS.items():
        old = put(old, name, part(results))
    return old


def readme(old: str, results: dict[str, dict[str, Any]]) -> str:
    """README.md with these results."""
    rows = [
        # The narrow table: no spread.
        {key: value for key, value in row.items() if key != "spread"}
        for name, start in SHORT
        for row in results.get(name, {"rows": []})["rows"]
        if row["what"].startswith(start)
    ]
    return put(old, "figures", performance.rows_of(rows))


def draw(results: dict[str, dict[str, Any]]) -> None:
    """The plots; one whose result has gone goes with it."""
    wanted = performance.drawn(results)
    PLOTS.mkdir(exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        if old.stem not in wanted:
            old.unlink()
    for name, bench in wanted.items():
        stored = (RESULTS / f"{bench}.json").read_bytes()
        told = plots.of(stored)
        path = PLOTS / f"{name}.svg"
        path.write_bytes(plots.svg(plots.PLOTS[name][1](results[bench]), told))


def main() -> None:
    results = load()
    if importlib.util.find_spec("matplotlib") is None:
        print("docs/plots stays as it is: matplotlib is not installed (pip install -r requirements-bench.txt)")
    else:
        draw(results)
    PAGE.write_text(page(PAGE.read_text(), results))
    README.write_text(readme(README.read_text(), results))
    print("docs/performance.md, docs/plots and README.md show the results under benches/results")


if __name__ == "__main__":
    main()
