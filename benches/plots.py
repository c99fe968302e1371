"""Draws docs/plots/*.svg from the raw results: the same results give the same bytes.

Colours differ in grey as well, and every line has a mark of its own. matplotlib is needed for drawing alone; see
requirements-bench.txt.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Result = dict[str, Any]
INK, BLUE, ORANGE, GREEN, SKY, GREY, PINK = "#111111", "#0b4f8a", "#d55e00", "#2a9d76", "#7fc4f0", "#8c8c8c", "#b5487f"
#: Of bench_crypto, by who: how it is called, colour, mark, line.
LINES: dict[str, tuple[str, str, str, str]] = {
    "many, inline": ("ours: *_many, inline", INK, "o", "-"),
    "many, both": ("ours: *_many, by a worker if long", INK, "s", ":"),
    "awaited at once": ("ours: awaited at once", ORANGE, "^", "-"),
    "many, software": ("ours: *_many, software alone", BLUE, "p", "--"),
    "many, multibuffer": ("ours: *_many, multibuffer alone", GREEN, "D", "--"),
    "one by one": ("ours: one by one", SKY, "v", "-"),
    "raw ipsec-mb": ("raw ipsec-mb", PINK, "x", ":"),
    "DPDK": ("DPDK crypto perf, bursts of 32", PINK, "*", ""),
    "openssl speed": ("openssl speed, one buffer", GREY, "+", "-."),
    "library": ("hashlib, hmac or cryptography in a loop", GREY, "", ":"),
}
LIBRARIES = frozenset({"hashlib", "hmac.digest", "cryptography"})
TITLES = {
    "sha256": "SHA-256",
    "sha512": "SHA-512",
    "hmac-sha256": "HMAC-SHA256",
    "aes-128-cbc": "AES-128-CBC encrypt",
    "aes-128-cbc-hmac-sha256": "AES-128-CBC + HMAC-SHA256",
    "aes-256-gcm": "AES-256-GCM",
    "chacha20-poly1305": "ChaCha20-Poly1305",
    "aes-256-xts": "AES-256-XTS",
}


def median(samples: list[float]) -> float:
    return statistics.median(samples)


def size_name(nbytes: float, _: object = None) -> str:
    """16, 4 Ki, 1 Mi."""
    for unit in ("", " Ki", " Mi"):
        if nbytes < 1024 or unit == " Mi":
            return f"{nbytes:g}{unit}"
        nbytes /= 1024
    raise AssertionError


def figure(rows: int, columns: int, size: tuple[float, float], **more: Any) -> tuple[Figure, Any]:
    """An empty figure in the house's style."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "acrypto", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 10})
    drawn = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(drawn)
    return drawn, drawn.subplots(rows, columns, squeeze=False, **more)


def plain(axes: Axes, *, x: str, y: str, title: str) -> None:
    """Labels, a faint grid, no box."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left")
    axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def log2_axis(axes: Axes, values: list[int], *, bytes_: bool) -> None:
    """A logarithmic x axis with a tick at every value, or every other one where there are many."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(values[:: 2 if len(values) > 9 else 1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(size_name if bytes_ else lambda value, _: f"{value:g}"))


def plain_y(axes: Axes, *, log: bool) -> None:
    """Plain numbers on y."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# ---- table1


def table1(result: Result) -> Figure:
    """Bars: microseconds a page for every mode of every codec, the published ones as lines."""
    raw = result["raw"]
    modes = ("inline", "batch", "poll", "queued, 64 in flight", "queued, one at a time")
    colours = (INK, BLUE, GREEN, ORANGE, SKY)
    codecs = [name for name in raw["ratio"] if not name.startswith("zlib")]
    drawn, grid = figure(2, 1, (9, 7.5), sharex=True)
    published = raw["published, ns a page (compress, decompress)"]
    lines = (("IAA, synchronous", PINK, "--"), ("IAA, interrupt", PINK, ":"), ("kernel's software deflate", GREY, "-."))
    for at, direction in enumerate(("compress", "decompress")):
        axes = grid[at][0]
        for place, (mode, colour) in enumerate(zip(modes, colours, strict=True)):
            samples = [raw[f"{codec}, {direction}, {mode}"]["ours"] for codec in codecs]
            middles = [median(each) * 1e6 for each in samples]
            where = [codec + (place - 2) * 0.16 for codec in range(len(codecs))]
            axes.bar(where, middles, 0.15, color=colour, edgecolor=INK, linewidth=0.4, label=f"ours, {mode}")
            for x, value in zip(where, middles, strict=True):
                axes.annotate(f"{value:.1f}", (x, value), ha="center", va="bottom", fontsize=6.5)
        zlib = median(raw[f"{codecs[0]}, {direction}, {modes[0]}"]["peer"]) * 1e6
        axes.axhline(zlib, color=GREY, linewidth=1.4, label="zlib level 6, here")
        for name, colour, style in lines:
            label = f"{name}, published"
            axes.axhline(published[name][at] / 1e3, color=colour, linestyle=style, linewidth=1.4, label=label)
        plain(axes, x="", y="us a page of 4 KiB", title=f"{direction}: less is better")
        plain_y(axes, log=True)
        axes.set_xticks(range(len(codecs)), [f"{codec}\nratio {raw['ratio'][codec]:.2f}" for codec in codecs])
    drawn.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return drawn


# ---- crypto


def series(result: Result, case: str, along: str, fixed: str, value: int) -> dict[str, list[tuple[int, float]]]:
    """GB/s of each line over `along`, where `fixed` has that value; peers that do one at a time wherever they were."""
    found: dict[str, list[tuple[int, float]]] = {}
    for cell in result["raw"]["grid, ns a message"]:
        if cell["case"] != case:
            continue
        who = "library" if cell["who"] in LIBRARIES else cell["who"]
        is_single = who in {"library", "openssl speed", "one by one"} and along == "size"
        if cell[fixed] == value or is_single or (who == "DPDK" and along == "size"):
            found.setdefault(who, []).append((cell[along], cell["size"] / median(cell["ns"])))
    return {who: sorted(points) for who, points in found.items()}


def panels(result: Result, along: str, fixed: str, value: int, title: str) -> Figure:
    """A panel for each operation."""
    cases = list(dict.fromkeys(cell["case"] for cell in result["raw"]["grid, ns a message"]))
    rows = (len(cases) + 1) // 2
    drawn, grid = figure(rows, 2, (9, 2.6 * rows + 0.9))
    shown: dict[str, Any] = {}
    ticks = sorted({cell[along] for cell in result["raw"]["grid, ns a message"] if cell["who"] != "DPDK"})
    for case, axes in zip(cases, grid.flat, strict=False):
        for who, points in series(result, case, along, fixed, value).items():
            label, colour, mark, line = LINES[who]
            if along == "depth" and who in {"library", "openssl speed"}:
                (drawn_line,) = [axes.axhline(points[0][1], color=colour, linestyle=line, linewidth=1.3)]
            else:
                x, y = zip(*points, strict=True)
                style = line or "none"
                drawn_line = axes.plot(x, y, color=colour, marker=mark, linestyle=style, markersize=4.5, linewidth=1.4)[
                    0
                ]
            shown[who] = (drawn_line, label)
        x_title = "messages together" if along == "depth" else "bytes of a message"
        plain(axes, x=x_title, y="GB/s", title=TITLES[case])
        log2_axis(axes, ticks, bytes_=along == "size")
        plain_y(axes, log=along == "size")
    for axes in list(grid.flat)[len(cases) :]:
        axes.set_axis_off()
    order = [who for who in LINES if who in shown]
    handles, labels = [shown[who][0] for who in order], [shown[who][1] for who in order]
    drawn.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    drawn.suptitle(title, fontsize=11)
    return drawn


def crypto_depth(result: Result) -> Figure:
    """Over how many messages travel together."""
    return panels(result, "depth", "size", 4096, "Messages of 4 KiB, one core: more is better")


def crypto_size(result: Result) -> Figure:
    """Over the size of a message, 16 together, which is as many as there are lanes."""
    return panels(result, "size", "depth", 16, "16 messages together, one core: more is better")


# ---- scaling


def scaling(result: Result) -> Figure:
    """Three panels: cores, requests in flight, message size."""
    raw = result["raw"]
    drawn, grid = figure(1, 3, (11, 3.9))
    styles = {
        name: (colour, mark, line)
        for name, colour, mark, line in zip(
            dict.fromkeys(row["what"] for row in raw["cores, GB/s"]),
            (INK, SKY, ORANGE, BLUE),
            "osD^",
            ("-", "--", "-.", ":"),
            strict=True,
        )
    }
    parts = (
        ("cores, GB/s", "workers", "workers", "a batch of 4 KiB pages"),
        ("in flight, GB/s", "depth", "requests in flight", "4 KiB each, awaited"),
        ("size, GB/s", "size", "bytes of a message", "one at a time, awaited"),
    )
    for axes, (part, key, x_title, title) in zip(grid.flat, parts, strict=True):
        for name, (colour, mark, line) in styles.items():
            points = [(row[key], median(row["gb_per_s"])) for row in raw[part] if row["what"] == name]
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=colour, marker=mark, linestyle=line, markersize=4.5, linewidth=1.4, label=name)
        plain(axes, x=x_title, y="GB/s of input", title=title)
        plain_y(axes, log=True)
        ticks = sorted({row[key] for row in raw[part]})
        if key == "workers":
            axes.set_xticks(ticks)
            axes.set_xlim(min(ticks) - 0.3, max(ticks) + 0.3)
        else:
            log2_axis(axes, ticks, bytes_=key == "size")
    drawn.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return drawn


# ---- commands on files


def against(result: Result) -> Figure:
    """How many times as fast as its peer each row with one is; the line in the middle is a draw."""
    timed = [row for row in result["rows"] if row["peer"] is not None and row["unit"] == "s"]
    drawn, grid = figure(1, 1, (9, 0.27 * len(timed) + 1.2))
    axes = grid[0][0]
    rows = sorted(timed, key=lambda row: row["ratio"])
    names = [row["what"].strip() for row in rows]
    ratios = [row["ratio"] for row in rows]
    colours = [BLUE if ratio >= 1 else SKY for ratio in ratios]
    axes.barh(range(len(rows)), [ratio - 1 for ratio in ratios], left=1, color=colours, edgecolor=INK, linewidth=0.4)
    for at, ratio in enumerate(ratios):
        side = ("left", 3) if ratio >= 1 else ("right", -3)
        axes.annotate(
            f"{ratio:.2f}", (ratio, at), xytext=(side[1], 0), textcoords="offset points", ha=side[0], va="center",
            fontsize=7.5,
        )  # fmt: skip
    plain(axes, x="time of the peer / our time", y="", title="Right of the line we are faster")
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(0.5, *(ratio * 0.8 for ratio in ratios)), max(2, *(ratio * 1.25 for ratio in ratios)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(rows)), names)
    axes.axvline(1, color=INK, linewidth=1)
    return drawn


#: Name of the plot: the bench whose result it shows, and how it is drawn.
PLOTS: dict[str, tuple[str, Callable[[Result], Figure]]] = {
    "table1": ("table1", table1),
    "crypto-depth": ("crypto", crypto_depth),
    "crypto-size": ("crypto", crypto_size),
    "scaling": ("scaling", scaling),
    "files": ("files", against),
    "commands": ("commands", against),
}


def of(stored: bytes) -> str:
    """What a plot says about the result that it was drawn from."""
    return f"of the raw result with the SHA-256 {hashlib.sha256(stored).hexdigest()}"


def svg(drawn: Figure, description: str) -> bytes:
    """The file's bytes; nothing in them depends on when or where."""
    import io

    out = io.BytesIO()
    drawn.savefig(out, format="svg", metadata={"Date": None, "Description": description})
    lines = out.getvalue().decode().splitlines()
    return ("\n".join(line.rstrip() for line in lines) + "\n").encode()
