"""Writes the tables of docs/performance.md and README.md from the raw results, so that no claim is without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches" / "results"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
#: What README shows of it all: the bench, and how its row begins.
SHORT = [
    ("overhead", "digest_many"),
    ("overhead", "64 queued, awaited one after the other (asyncio"),
    ("overhead", "64 queued, in one gather (asyncio"),
    ("oneshot", "sha256 of 4 KiB"),
    ("oneshot", "AES-256-GCM of 4 KiB, transform"),
    ("oneshot", "deflate a 4 KiB page, level 1"),
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


def cell(value: float | None) -> str:
    """A number with three digits that mean something."""
    if value is None:
        return ""
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown; bold is a mark that was missed."""
    lines = ["| what | ours | peer | unit | peer / ours | mark |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        mark = row["mark"] if row["met"] is not False else f"**{row['mark']}: missed**"
        lines.append(
            f"| {row['what'].strip()} | {cell(row['ours'])} | {cell(row['peer'])} | {row['unit']} | {ratio} | {mark} |"
        )
    return "\n".join(lines)


def put(path: Path, text: str) -> None:
    """Replaces what stands between the markers."""
    old = path.read_text()
    before, rest = old.split(BEGIN)
    after = rest.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    results = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    blocks = []
    for name, result in results.items():
        machine = result["machine"]
        where = f"{machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, Python {machine['python']}"
        head = f"### {name}\n\n{where}; {machine['date']}. `{result['command']}`"
        blocks.append(f"{head}; raw: [{name}.json](../benches/results/{name}.json)\n\n{table(result['rows'])}")
    put(ROOT / "docs" / "performance.md", "\n\n".join(blocks))
    short = [
        row for name, start in SHORT for row in results.get(name, {"rows": []})["rows"] if row["what"].startswith(start)
    ]
    put(ROOT / "README.md", table(short))
    print("docs/performance.md and README.md show the results under benches/results")


if __name__ == "__main__":
    main()
