"""The tool `accel-config` itself, on a tree that was copied from a bus into files of a mount namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.idxd.conftest import Crypto
from tests.idxd.test_accel_config import IAX, nothing

from acrypto.idxd import Bus, BusError
from acrypto.idxd import configuration as configuring
from acrypto.idxd.accel_config import parse, render
from acrypto.idxd.stored import build

pytestmark = pytest.mark.slow  # each test starts processes

#: Puts the tree where the tool looks for it, tells it that the module is loaded, and lets it run.
SCRIPT = """
mount -t tmpfs none /sys/bus && cp -a "$1" /sys/bus/dsa || exit 100
mount -t tmpfs none /sys/module && mkdir /sys/module/idxd || exit 100
shift
"$@" || exit 1
cp -a /sys/bus/dsa "$RESULT"
"""

Tool = Callable[..., Path]


def may_unshare() -> bool:
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """Runs `accel-config ARGUMENTS` on a bus; the folder with the tree as it is then."""
    if shutil.which("accel-config") is None:
        pytest.skip("needs the package accel-config")
    if shutil.which("unshare") is None or not may_unshare():
        pytest.skip("needs the right to make a mount namespace")

    def run(bus: Bus, *arguments: str | Path) -> Path:
        tree, after = tmp_path / "tree", tmp_path / "after"
        copy(bus, tree)
        words = ["unshare", "-m", "sh", "-c", SCRIPT, "sh", tree, "accel-config", *arguments]
        environment = {**os.environ, "RESULT": str(after)}
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
        if done.returncode == 100:
            pytest.skip("may not mount anything here")
        assert done.returncode == 0, done.stdout + done.stderr
        return after

    return run


def copy(bus: Bus, to: Path) -> None:
    """Makes files of everything that can be read, as the kernel lays them out."""

    def folder(path: str, here: Path) -> None:
        here.mkdir(parents=True)
        for name in bus.list(path):
            try:
                (here / name).write_text(bus.read(f"{path}/{name}") + "\n", encoding="utf-8")
            except BusError as error:
                if error.name == "EISDIR":
                    folder(f"{path}/{name}", here / name)

    for device in bus.devices():
        folder(f"devices/{device}", to / "devices" / device)
        for part in (name for name in bus.list(f"devices/{device}") if "." in name):
            (to / "devices" / part).symlink_to(f"{device}/{part}")
            if driver := part.startswith("wq") and bus.driver(part):
                (to / "devices" / device / part / "driver").symlink_to(f"../../../drivers/{driver}")
    for driver in bus.list("drivers"):
        (to / "drivers" / driver).mkdir(parents=True)


def without(rows: Any, *names: str) -> Any:
    """Rows without some keys, at any depth: what one version of the tool knows and another does not."""
    if isinstance(rows, list):
        return [without(row, *names) for row in rows]
    if isinstance(rows, dict):
        return {key: without(value, *names) for key, value in rows.items() if key not in names}
    return rows


def test_the_tool_saves_from_our_tree_what_we_save(tool: Tool, tmp_path: Path) -> None:
    bus, _loaded = build(parse(json.dumps(IAX)), nothing)
    crypto = Crypto()
    crypto.probe = crypto.queues.append  # type: ignore[method-assign]
    bus.register(crypto)
    saved = tmp_path / "saved.json"
    tool(bus, "save-config", "-s", saved)
    # Version 3.5.3 writes a batch size of -2 for a device that has no batches, and does not know prs_disable.
    theirs = without(json.loads(saved.read_bytes()), "max_batch_size", "prs_disable")
    ours = without(json.loads(render(configuring.save(bus))), "prs_disable")
    assert theirs == ours
    again, loaded = build(parse(saved.read_bytes()), nothing)
    assert [place.rsplit(".", 1)[1] for place in loaded.skipped] == ["max_batch_size"] * 2
    assert json.loads(render(configuring.save(again))) == json.loads(render(configuring.save(bus)))


def test_the_tool_loads_what_we_save(tool: Tool, tmp_path: Path) -> None:
    """It writes the same values to the same files as we do."""
    bus, _loaded = build(parse(json.dumps(IAX)), nothing)
    file = tmp_path / "ours.json"
    file.write_text(render(configuring.save(bus)), encoding="utf-8")
    fresh = Bus()
    fresh.add_device("iax1")
    after = tool(fresh, "load-config", "-c", file)
    before = {path: fresh.read(path) for path in settings(fresh)}
    configuring.load(fresh, parse(file.read_bytes()), enable=False)
    for path, old in before.items():
        # What is longer than what is written over it keeps its end, in a file that is not the kernel's.
        value = fresh.read(path)
        assert (path, (after / path).read_text(encoding="utf-8")) == (path, value + f"{old}\n"[len(value) :])


def settings(bus: Bus) -> Iterator[str]:
    """The files that this version of the tool writes to."""
    queues = (queue for group in parse(json.dumps(IAX))[0].groups for queue in group.queues)
    told = {name for queue in queues for name in queue.settings} - {"prs_disable"}
    for part in (name for name in bus.list("devices/iax1") if name.startswith(("wq", "engine"))):
        yield from (f"devices/iax1/{part}/{name}" for name in bus.list(f"devices/iax1/{part}") if name in told)
