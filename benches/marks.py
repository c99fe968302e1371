"""What was to be reached, in tables: the mark, what was measured, whether it is met."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

Row = dict[str, Any]


class Mark(NamedTuple):
    """A mark, and where its figures are: a bench, and a pattern of its rows."""

    what: str
    mark: str
    bench: str
    rows: str


MARKS = (
    Mark("SHA-256 of 4 KiB, 64 awaited at once", ">= 1.8 x hashlib", "crypto", r"SHA-256 .*awaited at once, mark"),
    Mark("SHA-256 of 4 KiB, `digest_many` of 64", ">= 2.2 x hashlib", "crypto", r"SHA-256 .*digest_many, inline, mark"),
    Mark("HMAC-SHA256, `mac_many` of 64 x 4 KiB", ">= 0.85 x raw ipsec-mb", "crypto", r"HMAC-SHA256 .*mark .*raw"),
    Mark(
        "AES-128-CBC, `encrypt_many` of 64 x 4 KiB", ">= 0.85 x raw ipsec-mb", "crypto", r"AES-128-CBC enc.*mark .*raw"
    ),
    Mark("CBC+HMAC, `encrypt_many` of 64 x 4 KiB", ">= 0.85 x raw ipsec-mb", "crypto", r"AES-128-CBC \+.*mark .*raw"),
    Mark("AES-256-GCM, `encrypt_many` of 64 x 4 KiB", ">= 10 GB/s or 0.8 x raw", "crypto", r"AES-256-GCM .*mark .*raw"),
    Mark(
        "AES-256-XTS, 4 KiB sectors in runs of 16",
        ">= 0.85 x the best raw library",
        "sectors",
        r"AES-256-XTS .*16 x 4096 B",
    ),
    Mark("deflate pages, fixed Huffman, compress", ">= 0.95 x raw ISA-L", "pages", r"compress a .*one core"),
    Mark("deflate pages, decompress", ">= 0.95 x raw ISA-L", "pages", r"decompress a .*one core"),
    Mark("deflate pages, two cores over one", ">= 1.85 x", "pages", r".*\d cores"),
    Mark("the same operations at 4 KiB as DPDK's crypto perf", ">= 0.85 x DPDK", "crypto", r".*mark .*DPDK"),
)

#: The driver of IAA over the model of it.
IAA = (
    Mark(
        "driver and model with no latency above the codec alone, a page of 4 KiB, sync",
        "<= 1.0 us",
        "iaa",
        r".* a page, sync, driver and model above the codec",
    ),
    Mark("one descriptor, portal write to return", "<= 150 ns", "iaa", r"submit a descriptor"),
    Mark(
        "pages a second, 64 in flight, eight engines, where the codec is not the limit",
        ">= 0.90 x what latencies and engines allow",
        "iaa",
        r".*, 64 in flight, latency x \d+",
    ),
)
PAGESTORE = (
    Mark(
        "page store beside the kernel's, batches of 8",
        "1.3 x its time at most: >= 0.77 x",
        "pagestore",
        r".*, (put|get), beside",
    ),
    Mark("page store, what a page's tables take", "<= 300 bytes", "pagestore", r"a page's tables"),
)


def found(mark: Mark, results: dict[str, dict[str, Any]]) -> list[Row]:
    """The rows of a mark; only those that have one."""
    rows = results.get(mark.bench, {"rows": []})["rows"]
    return [row for row in rows if row["mark"] and re.match(mark.rows, row["what"].strip())]


def measured(row: Row) -> str:
    """A figure, its peer's and the ratio, as a reader wants them."""
    told = f"{shown(row['ours'])} {row['unit']}"
    if row["peer"] is None:
        return told
    return f"{told}; the peer {shown(row['peer'])} {row['unit']}: {row['ratio']:.2f} x"


def shown(value: float) -> str:
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(row: Row) -> str:
    """Met, missed, or not judged: no peer was there."""
    return {True: "met", False: "**missed**", None: "not judged"}[row["met"]]


def table(results: dict[str, dict[str, Any]], marks: tuple[Mark, ...] = MARKS) -> str:
    """Markdown; a mark without a result says so."""
    lines = ["| what | measured | mark | met | bench |", "| --- | --- | --- | --- | --- |"]
    for mark in marks:
        rows = found(mark, results)
        if not rows:
            lines.append(f"| {mark.what} | no result yet | {mark.mark} | | {mark.bench} |")
        for row in rows:
            what = mark.what if len(rows) == 1 else f"{mark.what}: {row['what'].strip()}"
            lines.append(f"| {what} | {measured(row)} | {mark.mark} | {verdict(row)} | {mark.bench} |")
    return "\n".join(lines)
