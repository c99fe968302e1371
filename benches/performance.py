"""The parts of docs/performance.md that are written from raw results, as Markdown."""

from __future__ import annotations

import statistics
from typing import Any

import marks
import plots

Result = dict[str, Any]
Results = dict[str, Result]
TIMES = frozenset({"s", "ms", "us", "ns"})
#: Below this ratio a peer is called faster: what is closer is noise.
CLOSE = 0.95


def cell(value: float | None) -> str:
    """A number with three digits that mean something."""
    if value is None:
        return ""
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def rows_of(rows: list[dict[str, Any]]) -> str:
    """A table; bold is a mark that was missed."""
    has_spread = any("spread" in row for row in rows)
    heads = ["what", "ours", *(["quartiles"] if has_spread else []), "peer", "unit", "peer / ours", "mark"]
    lines = [line(heads), line(["---"] * len(heads))]
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        mark = row["mark"] if row["met"] is not False else f"**{row['mark']}: missed**"
        spread = [" - ".join(cell(value) for value in row.get("spread", ()))] if has_spread else []
        what = row["what"].strip().replace("|", "\\|")
        lines.append(line([what, cell(row["ours"]), *spread, cell(row["peer"]), row["unit"], ratio, mark]))
    return "\n".join(lines)


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def source(result: Result, name: str) -> str:
    """Where and how a result was made."""
    machine = result["machine"]
    where = f"{machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}, Python {machine['python']}"
    group = f"; {machine['group']}" if "group" in machine else ""
    raw = f"raw: [{name}.json](../benches/results/{name}.json)"
    return f"{where}; {machine['date']}{group}. `{result['command']}`; {raw}"


def plot(name: str, what: str) -> str:
    return f"![{what}](plots/{name}.svg)"


def absent(name: str) -> str:
    return f"No result yet: `make bench ONE={name}`."


def table1(results: Results) -> str:
    """Codecs and modes against two directions, with the published figures under ours."""
    if "table1" not in results:
        return absent("table1")
    raw = results["table1"]["raw"]
    lines = [line(["", "compress, ns a page", "decompress, ns a page", "ratio"]), line(["---"] * 4)]
    first = ""
    for what, samples in raw.items():
        codec, found, mode = what.partition(", compress, ")
        if found:
            first = first or what
            there, back = (
                statistics.median(each["ours"]) * 1e9 for each in (samples, raw[f"{codec}, decompress, {mode}"])
            )
            lines.append(
                line([f"ours: {codec}, {mode}", f"{there:,.0f}", f"{back:,.0f}", f"{raw['ratio'][codec]:.2f}"])
            )
    peers = (raw[name]["peer"] for name in (first, first.replace(", compress, ", ", decompress, ")))
    there, back = (statistics.median(each) * 1e9 for each in peers)
    lines.append(
        line(
            ["zlib level 6 here, 2 KiB window", f"{there:,.0f}", f"{back:,.0f}", f"{raw['ratio']['zlib level 6']:.2f}"]
        )
    )
    for codec, dpdk in raw.get("DPDK, ns a page", {}).items():
        if isinstance(dpdk, dict):
            there, back = (statistics.median(dpdk[direction]) for direction in ("compress", "decompress"))
            lines.append(line([f"DPDK's compress perf here: {codec}", f"{there:,.0f}", f"{back:,.0f}", ""]))
    published = raw["published, ns a page (compress, decompress)"]
    for name, figures in published.items():
        if name != "source":
            lines.append(line([f"published: {name}", *(f"{ns:,}" for ns in figures), ""]))
    picture = plot("table1", "Microseconds a page for every codec and mode, beside the published figures")
    told = f"Published: {published['source']}. Pages here: {raw['pages']}."
    return "\n\n".join([picture, "\n".join(lines), told])


def iaa(results: Results) -> str:
    """The marks, and where the figures come from."""
    told = marks.table(results, marks.IAA)
    if "iaa" not in results:
        return told
    raw = results["iaa"]["raw"]
    notes = [f"Pages: {raw['pages']}. The latencies' factor: {raw['factor']}."]
    if "MOVDIR64B" in raw:
        notes.append(f"MOVDIR64B is {raw['MOVDIR64B']}.")
    return f"{told}\n\n{' '.join(notes)}"


def pagestore(results: Results) -> str:
    """The marks, what the pages were and how small they became."""
    told = marks.table(results, marks.PAGESTORE)
    if "pagestore" not in results:
        return told
    raw = results["pagestore"]["raw"]
    ratios = ", ".join(f"{name} {ratio:.2f}" for name, ratio in raw["ratio"].items())
    peer = f" The kernel's zram is {raw['zram']}." if "zram" in raw else ""
    return f"{told}\n\nPages: {raw['pages']}. Ratios: {ratios}.{peer}"


def crypto(results: Results) -> str:
    """Plots over depth and size, and who was not there."""
    if "crypto" not in results:
        return absent("crypto")
    raw = results["crypto"]["raw"]
    parts = [
        plot("crypto-depth", "GB/s over how many messages travel together"),
        plot("crypto-size", "GB/s over the size of a message"),
        "The peers' commands: " + "; ".join(f"`{command}` ({who})" for who, command in raw["commands"].items()) + ".",
    ]
    if raw["absent"]:
        parts.append("Not measured: " + "; ".join(f"{who} ({why})" for who, why in raw["absent"].items()) + ".")
    return "\n\n".join(parts)


def scaling(results: Results) -> str:
    if "scaling" not in results:
        return absent("scaling")
    return plot("scaling", "GB/s over cores, over requests in flight, over the size of a message")


def files(results: Results) -> str:
    """A picture each of the strongest peers and of all of them, and who was not there."""
    shown = [
        plot(name, what) if name in results else absent(name)
        for name, what in (
            ("files", "The time of the strongest peers over our time, for commands on files"),
            ("commands", "The time of every peer over our time, for commands on files"),
        )
    ]
    left_out = results.get("commands", {"raw": {}})["raw"].get("left out", {})
    if left_out:
        shown.append("Left out: " + "; ".join(f"{who} ({why})" for who, why in left_out.items()) + ".")
    return "\n\n".join(shown)


def losses(results: Results) -> str:
    """Every row in which a mark is missed, or a peer is faster by more than noise."""
    lines = [line(["bench", "what", "ours", "peer", "unit", "peer / ours", "mark"]), line(["---"] * 7)]
    for name, result in results.items():
        above = ""
        for row in result["rows"]:
            is_detail = row["what"].startswith(" ")
            above = above if is_detail else row["what"]
            # One engine alone is there to be compared with both.
            is_slower = row["unit"] in TIMES and (row["ratio"] or 1) < CLOSE and ", engine " not in row["what"]
            if row["met"] is False or is_slower:
                ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
                mark = f"{row['mark']}: missed" if row["met"] is False else ""
                told = f"{above}: {row['what'].strip()}" if is_detail else row["what"]
                what = told.replace("|", "\\|")
                lines.append(line([name, what, cell(row["ours"]), cell(row["peer"]), row["unit"], ratio, mark]))
    return "\n".join(lines)


def figures(results: Results) -> str:
    """All rows of all benches."""
    blocks = [f"### {name}\n\n{source(result, name)}\n\n{rows_of(result['rows'])}" for name, result in results.items()]
    return "\n\n".join(blocks)


#: The names between the markers, `<!-- name: begin -->` and `<!-- name: end -->`.
PARTS = {
    "marks": marks.table,
    "losses": losses,
    "table1": table1,
    "iaa": iaa,
    "pagestore": pagestore,
    "crypto": crypto,
    "scaling": scaling,
    "files": files,
    "figures": figures,
}


def drawn(results: Results) -> dict[str, str]:
    """The plots that these results can give, and of which bench."""
    return {name: bench for name, (bench, _) in plots.PLOTS.items() if bench in results}
