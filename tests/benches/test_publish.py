"""No figure on a page without its raw result."""

from __future__ import annotations

import copy
import json
from typing import Any

import marks
import performance
import plots
import publish
import pytest

RESULTS = publish.load()
DRAWN = performance.drawn(RESULTS)


def row(what: str, **more: Any) -> dict[str, Any]:
    """A row of a result."""
    return {"what": what, "ours": 2.0, "peer": 4.0, "unit": "us", "ratio": 2.0, "mark": ">= 1.5 x", "met": True, **more}


def test_the_page_is_what_the_results_give() -> None:
    """`scripts/bench --publish` writes it."""
    assert publish.page(publish.PAGE.read_text(), RESULTS) == publish.PAGE.read_text()


def test_the_readme_is_what_the_results_give() -> None:
    assert publish.readme(publish.README.read_text(), RESULTS) == publish.README.read_text()


def test_there_is_a_plot_for_each_result_that_has_one() -> None:
    assert sorted(path.stem for path in publish.PLOTS.glob("*.svg")) == sorted(DRAWN)


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_a_plot_is_of_the_stored_result(name: str) -> None:
    """It carries the digest of what it was drawn from."""
    stored = (publish.RESULTS / f"{DRAWN[name]}.json").read_bytes()
    assert plots.of(stored) in (publish.PLOTS / f"{name}.svg").read_text()


@pytest.mark.slow  # matplotlib takes a second to come
def test_a_plot_is_the_same_each_time() -> None:
    pytest.importorskip("matplotlib")
    draw = plots.PLOTS["files"][1]
    first, second = (plots.svg(draw(RESULTS["files"]), "of nothing") for _ in range(2))
    assert first == second
    assert b"of nothing" in first
    assert b"<dc:date>" not in first


def test_a_text_replaces_what_is_between_its_own_markers_only() -> None:
    page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\nkept\n<!-- y: end -->\n"
    assert publish.put(page, "x", "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="unpack"):
        publish.put(page, "z", "new")


def test_a_missed_mark_is_bold_and_a_spread_is_shown() -> None:
    text = performance.rows_of([row("one"), row("  two | three", met=False, spread=[1.0, 3.0], peer=None, ratio=None)])
    assert text.splitlines()[2:] == [
        "| one | 2.000 |  | 4.000 | us | 2.00 | >= 1.5 x |",
        "| two \\| three | 2.000 | 1.000 - 3.000 |  | us |  | **>= 1.5 x: missed** |",
    ]


def test_what_is_lost_is_told_without_being_asked() -> None:
    """A missed mark, or a faster peer; not what is close, nor a figure that is no time."""
    rows = [
        row("won"),
        row("missed", met=False),
        row("slower", ratio=0.9, met=None, mark=""),
        row("  by itself", ratio=0.5, met=None, mark=""),
        row("close", ratio=0.96, met=None, mark=""),
        row("memory", unit="MiB", ratio=0.1, met=None, mark=""),
    ]
    lines = performance.losses({"some": {"rows": rows}}).splitlines()[2:]
    assert [line.split(" | ")[1] for line in lines] == ["missed", "slower", "slower: by itself"]


def test_every_mark_is_in_the_table_measured_or_not() -> None:
    for some in (marks.MARKS, marks.IAA, marks.PAGESTORE):
        lines = marks.table({}, some).splitlines()[2:]
        assert len(lines) == len(some)
        assert all("no result yet" in line for line in lines)
    result = {"rows": [row("SHA-256 of 4 KiB, 64 awaited at once, mark (peer hashlib in a loop)", met=False)]}
    first = marks.table({"crypto": result}).splitlines()[2]
    assert "2.00 us; the peer 4.00 us: 2.00 x" in first
    assert "**missed**" in first


def test_what_was_absent_is_told_with_the_marks() -> None:
    raw = {"pages": "some pages", "factor": 40, "MOVDIR64B": "absent: no such CPU", "zram": "absent: no module"}
    result = {"rows": [row("submit a descriptor to a queue", unit="ns")], "raw": {**raw, "ratio": {"lz4": 1.5}}}
    assert "MOVDIR64B is absent: no such CPU." in performance.iaa({"iaa": result})
    assert "lz4 1.50. The kernel's zram is absent: no module." in performance.pagestore({"pagestore": result})


def test_published_figures_stand_beside_ours_with_their_source() -> None:
    pair = {"ours": [1e-6, 2e-6, 3e-6], "peer": [9e-6]}
    codec = "deflate, fixed Huffman"
    raw = {
        "pages": "some pages",
        "published, ns a page (compress, decompress)": {"source": "a letter", "IAA": [3177, 2235]},
        "ratio": {"zlib level 6": 3.5, codec: 2.5},
        f"{codec}, compress, inline": pair,
        f"{codec}, decompress, inline": {**pair, "ours": [5e-7]},
    }
    text = performance.table1({"table1": {"raw": raw}})
    assert f"| ours: {codec}, inline | 2,000 | 500 | 2.50 |" in text
    assert "| zlib level 6 here, 2 KiB window | 9,000 | 9,000 | 3.50 |" in text
    assert "| published: IAA | 3,177 | 2,235 |  |" in text
    assert "a letter" in text


def test_results_are_not_changed_by_being_shown() -> None:
    before = copy.deepcopy(RESULTS)
    publish.page(publish.PAGE.read_text(), RESULTS)
    assert json.dumps(RESULTS) == json.dumps(before)
