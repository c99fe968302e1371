"""The cost table of a host: what was measured well is kept, and whatever happens to the file, the worst is a guess."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import acrypto
from acrypto.layer import costs
from acrypto.layer.costs import LEAST_SAMPLES, MOST, MOST_BYTES, SavedCosts
from acrypto.registry import cache

ROW = ("software0", "sha256:-2147483648::0", "digest", 4096, 2000, 1800, 9)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("ACRYPTO_CACHE", str(folder))
    return folder


def row(**changes: object) -> tuple[object, ...]:
    names = ("device", "algorithm", "direction", "from_bytes", "ns", "gap_ns", "samples")
    return tuple({**dict(zip(names, ROW, strict=True)), **changes}.values())


class Native:
    """In the place of the core's layer: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def load_costs(self, rows: list[tuple[object, ...]]) -> int:
        self.told += rows
        return len(rows)


def test_what_was_measured_is_known_to_the_next() -> None:
    assert SavedCosts().rows() == []
    assert SavedCosts().save([ROW])
    assert SavedCosts().rows() == [ROW]
    native = Native()
    assert SavedCosts().load(native) == 1
    assert native.told == [ROW]


def test_a_newcomer_is_told_of_its_own() -> None:
    SavedCosts().save([ROW, row(device="software1")])
    native = Native()
    assert SavedCosts().load(native, "software1") == 1
    assert native.told == [row(device="software1")]
    assert SavedCosts().load(native, "software2") == 0


def test_few_runs_are_chance() -> None:
    assert not SavedCosts().save([row(samples=LEAST_SAMPLES - 1)])
    assert SavedCosts().save([row(samples=LEAST_SAMPLES)])


def test_nothing_is_written_without_news(place: Path) -> None:
    """A mean that hardly moved is none; one that did is, in either column."""
    assert not SavedCosts().save([])
    assert not place.exists()
    SavedCosts().save([ROW])
    (place / "costs").chmod(0o400)
    assert not SavedCosts().save([ROW, row(ns=2200, gap_ns=2000, samples=1000)])
    assert stat.S_IMODE((place / "costs").stat().st_mode) == 0o400
    assert SavedCosts().save([row(ns=2300)])
    assert SavedCosts().save([row(ns=2300, gap_ns=1500)])
    assert SavedCosts().rows() == [row(ns=2300, gap_ns=1500)]


def test_two_who_save_keep_each_others() -> None:
    one, two = SavedCosts(), SavedCosts()
    assert one.rows() == two.rows() == []
    one.save([ROW])
    two.save([row(direction="compress")])
    assert SavedCosts().rows() == [ROW, row(direction="compress")]
    assert one.rows() == [ROW]


def test_rows_of_this_process_win_over_the_file() -> None:
    SavedCosts().save([ROW, row(device="gone0")])
    assert SavedCosts().merged([row(ns=1)]) == [row(ns=1), row(device="gone0")]


def test_another_build_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    SavedCosts().save([ROW])
    with monkeypatch.context() as patched:
        patched.setattr(costs, "build", lambda: cache.build() + " another")
        assert SavedCosts().rows() == []
        SavedCosts().save([row(device="software1")])
    assert SavedCosts().rows() == []


def test_the_file_is_bounded_and_the_oldest_go_first(place: Path) -> None:
    SavedCosts().save([ROW])
    SavedCosts().save([row(from_bytes=1 << 20, direction=f"d{number}") for number in range(MOST)])
    assert (place / "costs").stat().st_size <= MOST_BYTES
    known = SavedCosts().rows()
    assert len(known) == MOST
    assert ROW not in known


def test_the_file_is_this_users_alone(place: Path) -> None:
    SavedCosts().save([ROW])
    assert stat.S_IMODE((place / "costs").stat().st_mode) == 0o600
    (place / "costs").chmod(0o666)
    assert SavedCosts().rows() == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "software0",
        "software0\tsha256\tdigest\t1\t2\t3",
        "software0\tsha256\tdigest\t1\t2\t3\t4\t5",
        "\tsha256\tdigest\t1\t2\t3\t4",
        "software0\tsha256\tdigest\t-1\t2\t3\t4",
        "software0\tsha256\tdigest\t1\t0\t3\t4",
        "software0\tsha256\tdigest\t1\t2\t3\t3",
        "software0\tsha256\tdigest\t1\t2.5\t3\t4",
        "software0\tsha256\tdigest\t1\t" + "9" * 19 + "\t3\t4",
        "software0\tsha256\tdigest\t1\t" + "9" * 5000 + "\t3\t4",
        "software0\tsha256\tdigest\t1\t2\t3\t99999999999",
        "\0" * 4000,
    ],
    ids=lambda line: repr(line)[:30],
)
def test_nonsense_is_left_out(place: Path, line: str) -> None:
    SavedCosts().save([ROW])
    with (place / "costs").open("a") as file:
        file.write(line + "\n")
    assert SavedCosts().rows() == [ROW]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * (1 << 20), b"acrypto costs, build 0\n"])
def test_garbage_is_replaced(place: Path, content: bytes) -> None:
    place.mkdir()
    (place / "costs").write_bytes(content)
    assert SavedCosts().rows() == []
    assert SavedCosts().save([ROW])
    assert SavedCosts().rows() == [ROW]


@pytest.mark.parametrize("name", ["tab\there", "two\nlines", "ü", "x" * 200], ids=repr)
def test_a_name_that_fits_no_line_is_not_kept(name: str) -> None:
    assert not SavedCosts().save([row(algorithm=name)])
    assert SavedCosts().save([row(algorithm=name), ROW])
    assert SavedCosts().rows() == [ROW]


def test_a_place_that_cannot_be_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("/proc/nowhere", "/dev/null/cache", ""):
        monkeypatch.setenv("ACRYPTO_CACHE", wrong)
        assert not SavedCosts().save([ROW])
        assert SavedCosts().rows() == []


def measure(layer: acrypto.Layer) -> None:
    for _ in range(2 * LEAST_SAMPLES):
        layer.digest("sha256", bytes(1 << 14)).wait()


def measured(layer: acrypto.Layer) -> dict[tuple[object, ...], tuple[object, ...]]:
    return {row[:4]: row for row in layer.costs() if row[1].startswith("sha256") and row[6] >= LEAST_SAMPLES}


@pytest.mark.slow
def test_a_layer_on_the_default_engines_remembers() -> None:
    with acrypto.open() as layer:
        measure(layer)
        before = measured(layer)
    assert before
    assert before.keys() <= {row[:4] for row in SavedCosts().rows()}
    with acrypto.open() as layer:
        assert before.keys() <= measured(layer).keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engines", "remember", "is_kept"), [(["software"], None, False), (["software"], True, True), (None, False, False)]
)
def test_the_settings_decide_whether_costs_are_kept(engines: list[str] | None, remember: bool, is_kept: bool) -> None:
    with acrypto.open(engines, settings=acrypto.Settings(remember_costs=remember)) as layer:
        measure(layer)
    assert bool(SavedCosts().rows()) is is_kept
