"""The layer as a tree of files: names of the old sysfs, switches that switch, and work done by writing and reading."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import acrypto
from acrypto.balancers.balancers import BalancerRow
from acrypto.engines.software import Software
from acrypto.layer.session import OPERATIONS
from acrypto.layer.tree import Tree
from acrypto.model.errors import NoEngine, UsageError
from acrypto.model.offers import KINDS


def device(name: str, **changes: object) -> dict[str, object]:
    """What the core tells of a device."""
    facts: dict[str, object] = {"name": name, "number": 3, "engine": "software", "state": "up", "why": "", "workers": 2}
    facts |= {"queued": 1, "waiting": 0, "operations": 4, "bytes": 9, "peak_bytes": 10, "ready_ns": 11}
    facts |= {"max_operations": 1024, "max_bytes": 1 << 28, "started": 8, "completed": 5, "failed": 2, "finished": 7}
    facts |= {"cancelled": 0, "spilled": 1 << 40, "queue_ns": [(0, 1), (1024, 6)], "run_ns": []}
    return facts | changes


class Native:
    """In the place of the core's layer."""

    def __init__(self) -> None:
        self.rows = [device("software0"), device("iaa0", state="broken", why="it died")]
        self.asked: list[str] = []

    def devices(self) -> list[dict[str, object]]:
        self.asked.append("devices")
        return self.rows

    def pool(self) -> dict[str, int]:
        return {"idle_bytes": 100, "misses": 2, "lingering": 0}

    def fallbacks(self) -> dict[str, int]:
        return {"the queue was full": 3, "it broke": 1}

    def costs(self) -> list[tuple[object, ...]]:
        return [("software0", "sha256:-1::0", "digest", 4096, 2000, 1900, 7)]

    def requests(self) -> list[tuple[object, ...]]:
        return [
            (7, "iaa0", "deflate", "compress", 5, 0, True, 4096),
            (8, "iaa0", "deflate", "compress", 0, 2, False, 1),
        ]

    def algorithms_run(self) -> list[dict[str, object]]:
        counts = {"completed": 1, "failed": 0, "bytes_in": 10, "bytes_out": 2, "busy_ns": 9}
        return [
            {"device": "software0", "algorithm": "deflate:1::0", **counts},
            {"device": "software0", "algorithm": "deflate:9::0", **counts},
            {"device": "iaa0", "algorithm": "deflate:1::0", **counts},
        ]


class Layer:
    """In the place of a layer: shows its core, and keeps what it is told."""

    def __init__(self) -> None:
        self._native = Native()
        self.told: list[tuple[str, ...]] = []
        self.current = "fastest"

    def balancers(self) -> list[BalancerRow]:
        names = ("fastest", "simple", "a/b")
        return [BalancerRow(name, is_current=name == self.current, is_default=name == "fastest") for name in names]

    def set_balancer(self, name: str) -> None:
        if name not in {row.name for row in self.balancers()}:
            raise UsageError(f"no balancer is called {name!r}")
        self.current = name

    def offers(self) -> list[SimpleNamespace]:
        rows = [("deflate", "deflate-iaa", "iaa0", 300), ("deflate", "deflate-isal", "software0", 100)]
        rows.append(("sha512/256", "sha512_256-x", "software0", 100))
        return [
            SimpleNamespace(algorithm=a, driver=d, device=on, priority=p, selftest="passed", kind="compression")
            for a, d, on, p in rows
        ]

    def __getattr__(self, name: str) -> object:
        if not name.endswith("_device"):
            raise AttributeError(name)
        return lambda *arguments: self.told.append((name, *arguments))


@pytest.fixture
def fake() -> Layer:
    return Layer()


@pytest.fixture
def tree(fake: Layer) -> Tree:
    return Tree(fake)


def test_the_top(tree: Tree) -> None:
    assert tree.list() == tree.list("/") == [
        "devices/", "lbs", "balancers/", "algorithms/", "requests", "pool/", "fallbacks", "costs", "sessions/",
    ]  # fmt: skip


def test_a_device_has_the_files_of_the_old_layer(tree: Tree) -> None:
    assert tree.list("devices") == ["index", "software0/", "iaa0/"]
    assert tree.read("devices/index") == "software0\niaa0"
    wanted = {"name": "software0", "sessions": "4", "sstarted": "8", "scompleted": "7", "sfinished": "7"}
    wanted |= {"kmem_failed": "0", "pool_failed": "2", "state": "up", "engine": "software", "why": ""}
    assert {name: tree.read(f"devices/software0/{name}") for name in wanted} == wanted
    assert tree.read("devices/iaa0/why") == "it died"


def test_no_device_says_so(fake: Layer, tree: Tree) -> None:
    fake._native.rows = []
    assert tree.read("devices/index") == "No devices registered yet."
    assert tree.list("devices") == ["index"]


def test_counters_are_of_64_bits_and_stand_apart_from_the_queue(tree: Tree) -> None:
    assert tree.read("devices/software0/statistics/spilled") == str(1 << 40)
    assert set(tree.list("devices/software0/statistics")) == {"started", "completed", "failed", "finished", "cancelled",
                                                              "spilled"}  # fmt: skip
    assert tree.read("devices/software0/queue/max_operations") == "1024"


def test_latencies_are_histograms(tree: Tree) -> None:
    assert tree.list("devices/software0/latency") == ["queue_ns", "run_ns"]
    assert tree.read("devices/software0/latency/queue_ns") == "0 1\n1024 6"
    assert tree.read("devices/software0/latency/run_ns") == ""


def test_a_state_takes_commands(fake: Layer, tree: Tree) -> None:
    for command in ("drain", "quarantine", "quarantine it lies\n", "readmit", b"break"):
        tree.write("devices/iaa0/state", command)
    assert fake.told == [
        ("drain_device", "iaa0"),
        ("quarantine_device", "iaa0", "asked for"),
        ("quarantine_device", "iaa0", "it lies"),
        ("revive_device", "iaa0"),
        ("break_device", "iaa0"),
    ]
    with pytest.raises(UsageError, match=r"'explode' is nothing .* drain, quarantine, readmit, break"):
        tree.write("devices/iaa0/state", "explode")


def test_lbs_switches(fake: Layer, tree: Tree) -> None:
    assert tree.read("lbs") == "[(fastest)] simple a/b"
    tree.write("lbs", "simple\n")
    assert tree.read("lbs") == "(fastest) [simple] a/b"
    with pytest.raises(UsageError, match="slowest"):
        tree.write("lbs", "slowest")
    assert fake.current == "simple"


def test_balancers_are_folders(tree: Tree) -> None:
    assert tree.list("balancers") == ["fastest/", "simple/", "a!b/"]
    assert tree.read("balancers/fastest/current") == "1"
    assert tree.read("balancers/simple/default") == "0"
    assert tree.read("balancers/a!b/name") == "a/b"


def test_algorithms_tell_who_offers_and_who_ran_them(tree: Tree) -> None:
    """What ran with different parameters is one algorithm."""
    assert tree.list("algorithms") == ["deflate/", "sha512!256/"]
    assert tree.read("algorithms/deflate/offers") == "deflate-iaa iaa0 300 passed\ndeflate-isal software0 100 passed"
    assert tree.list("algorithms/deflate") == ["name", "kind", "offers", "software0/", "iaa0/"]
    assert tree.read("algorithms/deflate/software0/bytes_in") == "20"
    assert tree.read("algorithms/deflate/iaa0/completed") == "1"
    assert tree.read("algorithms/sha512!256/name") == "sha512/256"


def test_one_list_of_all_sessions(tree: Tree) -> None:
    assert tree.read("requests") == "7 iaa0 deflate compress 5 0 waiting 4096\n8 iaa0 deflate compress 0 2 queued 1"


def test_what_is_of_all_devices(tree: Tree) -> None:
    assert {name: tree.read(f"pool/{name}") for name in tree.list("pool")} == {
        "idle_bytes": "100",
        "misses": "2",
        "lingering": "0",
    }
    assert tree.read("fallbacks") == "3 the queue was full\n1 it broke"
    assert tree.read("costs") == "software0 sha256:-1::0 digest 4096 2000 1900 7"


def test_nothing_is_asked_before_it_is_read(fake: Layer, tree: Tree) -> None:
    tree.list()
    tree.read("lbs")
    assert fake._native.asked == []
    tree.list("devices")
    assert fake._native.asked == ["devices"]


def test_what_is_read_is_of_that_moment(fake: Layer, tree: Tree) -> None:
    fake._native.rows = [device("late0", started=1)]
    assert tree.read("devices/late0/sstarted") == "1"
    fake._native.rows[0]["started"] = 2
    assert tree.read("devices/late0/sstarted") == "2"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "the tree has no 'nowhere'; it has devices, lbs"),
        ("devices/gone0/name", "devices has no 'gone0'; it has index, software0, iaa0"),
        ("lbs/deeper", "lbs is a file"),
        ("sessions/x", "sessions has no 'x'; it has nothing"),
        ("devices", "devices is a folder"),
        ("", "the root is a folder"),
    ],
)
def test_what_is_not_there_cannot_be_read_or_written(tree: Tree, path: str, message: str) -> None:
    for call in (tree.read, lambda path: tree.write(path, "x")):
        with pytest.raises(UsageError, match=message):
            call(path)


def test_a_file_is_no_folder_and_a_counter_no_switch(tree: Tree) -> None:
    for call in (tree.list, lambda path: list(tree.walk(path))):
        with pytest.raises(UsageError, match="lbs is a file"):
            call("lbs")
    with pytest.raises(UsageError, match="can only be read"):
        tree.write("requests", "0")
    with pytest.raises(UsageError, match="no text"):
        tree.write("lbs", b"\xff")


def test_walking_gives_every_file_once(tree: Tree) -> None:
    paths = list(tree.walk())
    assert len(paths) == len(set(paths))
    assert {"devices/index", "devices/iaa0/latency/run_ns", "algorithms/deflate/iaa0/busy_ns", "lbs"} <= set(paths)
    assert list(tree.walk("/pool/")) == ["pool/idle_bytes", "pool/misses", "pool/lingering"]
    assert set(tree.as_dict()) == set(paths)


def test_printed_it_has_a_line_for_everything(tree: Tree) -> None:
    lines = str(tree).split("\n")
    assert "    sstarted     8" in lines
    assert "lbs        [(fastest)] simple a/b" in lines
    at = lines.index("fallbacks")
    assert lines[at + 1 : at + 3] == ["  3 the queue was full", "  1 it broke"]
    assert all(line == line.rstrip() for line in lines)


# ---- Sessions: on a real layer


@pytest.fixture
def session(layer: acrypto.Layer) -> Iterator[Tree]:
    tree = Tree(layer)
    tree.make("sessions/s")
    yield tree
    tree.remove("sessions/s")


def fill(tree: Tree, **files: str | bytes) -> None:
    for name, content in files.items():
        tree.write(f"sessions/s/{name}", content)


def test_user_api_as_file_system(session: Tree) -> None:
    """Make a session, write data, read the result, see how it went."""
    assert session.read("sessions/s/status") == "new"
    fill(session, operation="digest", algorithm="sha256", src=b"abc")
    assert session.read("sessions/s/dst") == hashlib.sha256(b"abc").digest()
    assert session.read("sessions/s/status") == "done"
    told = dict(line.split(" ", 1) for line in session.read("sessions/s/completion").split("\n"))
    assert (told["device"], told["bytes_in"], told["attempts"]) == ("software0", "3", "1")
    assert told["reason"]


def test_every_sort_of_operation(session: Tree, layer: acrypto.Layer) -> None:
    key, iv, data = bytes(range(32)), bytes(12), b"some data " * 9
    for operation, algorithm, files in (
        ("compress", "zlib", {"src": data, "level": "9"}),
        ("decompress", "zlib", {"src": zlib.compress(data)}),
        ("mac", "hmac(sha256)", {"key": key, "src": data}),
        ("encrypt", "gcm(aes)", {"key": key, "iv": iv, "ad": b"more", "src": data}),
        ("encrypt", "ctr(aes)", {"key": key, "iv": bytes(16), "src": data}),
    ):
        session.remove("sessions/s")
        session.make("sessions/s")
        fill(session, operation=operation, algorithm=algorithm, **files)
        made = session.read("sessions/s/dst")
        transform = layer.transform(algorithm, key=files.get("key"), level=9 if "level" in files else None)
        if operation == "encrypt":
            more = [b"more"] if "ad" in files else []
            assert made == bytes(transform.encrypt(files["iv"], data, *more).wait())
        else:
            assert made == bytes(getattr(transform, operation)(files["src"]).wait())


def test_random_and_signatures(session: Tree) -> None:
    fill(session, operation="random", size="33")
    assert len(session.read("sessions/s/dst")) == 33
    key = acrypto.generate_key("ed25519")
    fill(session, operation="sign", algorithm="ed25519", key=key, src=b"data")
    tag = session.read("sessions/s/dst")
    fill(session, operation="verify", key=acrypto.public_key("ed25519", key), tag=tag)
    assert session.read("sessions/s/dst") == b""
    fill(session, tag=bytes(len(tag)))
    with pytest.raises(acrypto.AuthenticationError):
        session.read("sessions/s/dst")
    assert session.read("sessions/s/status") == "failed: AuthenticationError"


def test_ioctl_like_flow_in_the_wrong_order(session: Tree) -> None:
    """Data before what is to be done with them, a result before its data, a report before its result."""
    with pytest.raises(UsageError, match="sessions/s: src comes after operation and algorithm"):
        fill(session, src=b"abc")
    with pytest.raises(UsageError, match="dst comes after operation"):
        session.read("sessions/s/dst")
    fill(session, operation="digest")
    with pytest.raises(UsageError, match="dst comes after algorithm and src"):
        session.read("sessions/s/dst")
    fill(session, algorithm="sha256")
    with pytest.raises(UsageError, match="dst comes after src"):
        session.read("sessions/s/dst")
    with pytest.raises(UsageError, match="completion comes after dst was read"):
        session.read("sessions/s/completion")
    session.make("sessions/r")
    session.write("sessions/r/operation", "random")
    with pytest.raises(UsageError, match="sessions/r: dst comes after size"):
        session.read("sessions/r/dst")


def test_nonsense_is_refused_where_it_is_written(session: Tree) -> None:
    with pytest.raises(UsageError, match="no operation is called 'eat'; known: compress"):
        fill(session, operation="eat")
    with pytest.raises(acrypto.UnknownAlgorithm):
        fill(session, algorithm="sha0")
    with pytest.raises(UsageError, match="sha256 is a digest, which has no compress"):
        fill(session, operation="compress", algorithm="sha256")
    with pytest.raises(UsageError, match="level takes a whole number"):
        fill(session, level="high")
    fill(session, algorithm="deflate")
    with pytest.raises(UsageError, match="deflate is a compression, which has no digest"):
        fill(session, operation="digest")


def test_no_device_is_an_error_of_its_own(session: Tree) -> None:
    """The old -ENODEV: bound to what is not there."""
    fill(session, operation="digest", algorithm="sha256", src=b"abc", device="nowhere0")
    with pytest.raises(NoEngine):
        session.read("sessions/s/dst")
    fill(session, device="")
    assert session.read("sessions/s/dst") == hashlib.sha256(b"abc").digest()


def test_a_result_is_that_of_what_was_written_last(session: Tree) -> None:
    """Read again it is the same, without being run again; written anew, it is another."""
    fill(session, operation="random", size="16")
    first = session.read("sessions/s/dst")
    assert session.read("sessions/s/dst") == first
    fill(session, size="16")
    assert session.read("sessions/s/dst") != first


def test_keys_are_not_read_back(session: Tree) -> None:
    fill(session, operation="mac", algorithm="hmac(sha256)", key=b"secret key", src=b"data")
    for name in ("key", "iv", "ad", "tag"):
        with pytest.raises(UsageError, match="can only be written"):
            session.read(f"sessions/s/{name}")
    assert session.read("sessions/s/src") == b"data"
    held = session._sessions["s"]._bytes["key"]
    session.remove("sessions/s")
    assert held == bytes(len(held))
    session.make("sessions/s")


def test_who_shows_all_runs_nothing_and_tells_no_secret(fake: Layer, layer: acrypto.Layer) -> None:
    tree = Tree(fake)
    fake.find, fake.transform = layer.find, layer.transform
    tree.make("sessions/s")
    fill(tree, operation="mac", algorithm="hmac(sha256)", key=b"secret key", src=b"data")
    for shown in (str(tree), repr(tree.as_dict())):
        assert "secret" not in shown
    assert tree.read("sessions/s/status") == "new"
    assert {"sessions/s/dst", "sessions/s/key"} <= set(tree.walk("sessions"))
    tree.read("sessions/s/dst")
    assert "software0" in tree.as_dict()["sessions/s/completion"]


def test_sessions_have_names_of_their_own(tree: Tree) -> None:
    tree.make("sessions/a")
    with pytest.raises(UsageError, match="there already"):
        tree.make("sessions/a")
    for path in ("sessions", "sessions/", "sessions/a/b", "sessions/two words"):
        with pytest.raises(UsageError, match="a session is called"):
            tree.make(path)
    for call in (tree.make, tree.remove):
        with pytest.raises(UsageError, match="only sessions/NAME"):
            call("devices/mine")
    with pytest.raises(UsageError, match="no session is called 'b'; there are a"):
        tree.remove("sessions/b")
    tree.remove("sessions/a")
    assert tree.list("sessions") == []


def test_the_operations_are_those_of_the_kinds() -> None:
    assert set().union(*OPERATIONS.values()) == set(KINDS)


# ---- The state of a real layer


def test_the_whole_tree_of_a_layer() -> None:
    """Everything that it shows is there to be read, and the counters tell what was done."""
    with acrypto.open(["software"]) as layer:
        for _ in range(3):
            layer.digest("sha256", bytes(1 << 16)).wait()
        tree = layer.tree()
        shown = tree.as_dict()
        assert shown["devices/index"] == "software0"
        assert shown["devices/software0/state"] == "up"
        assert shown["devices/software0/sessions"] == "0"
        assert int(shown["algorithms/sha256/software0/completed"]) >= 3
        assert shown["devices/software0/sstarted"] == shown["devices/software0/sfinished"]
        assert "[(fastest)]" in shown["lbs"]
        assert str(tree).startswith("devices/\n  index")


def test_its_switches_switch() -> None:
    with acrypto.open([Software(), Software()]) as layer:
        tree = layer.tree()
        tree.write("lbs", "simple")
        assert "[simple]" in [str(row) for row in layer.balancers()]
        tree.write("devices/software1/state", "quarantine for a test")
        assert tree.read("devices/software1/state") == "quarantined"
        assert "for a test" in tree.read("devices/software1/why")
        assert layer.digest("sha256", bytes(1 << 20)).wait()
        tree.write("devices/software1/state", "drain")
        assert tree.read("devices/software1/state") == "draining"
