"""Runs a bench in a scheduling group of its own: python benches/alone.py SCRIPT [ARGUMENT...].

The kernel shares a CPU between groups first: between sessions (autogroup), or between cgroups where there are some.
So a background job of another session takes half of a CPU, whatever its niceness. The bench gets a session of its own
with more weight where that is allowed, else a cgroup where one can be made. What was done is stored with the result.
No real-time class: threads of equal priority that are pinned to one CPU can keep each other from going on, for ever.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from machine import GROUP

#: As if nice: the session weighs some 28 times another.
NICE = -15
ENABLED, OWN, CGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled"), "/proc/self/autogroup", "/proc/self/cgroup"
CPU = Path("/sys/fs/cgroup/cpu")


def in_root_group() -> bool:
    """Whether this process is in no cgroup of the CPU's: only then do autogroups count."""
    try:
        lines = Path(CGROUPS).read_text().splitlines()
    except OSError:
        return True
    fields = [line.split(":", 2) for line in lines]
    v1 = [path for _, controllers, path in fields if "cpu" in controllers.split(",")]
    return all(path == "/" for path in v1 or [path for _, _, path in fields])


def autogroup() -> str | None:
    """Gives the session of this process, which leads it, more weight; says what came of it, None if nothing."""
    try:
        if ENABLED.read_text().strip() != "1" or not in_root_group():
            return None
    except OSError:
        return None
    try:
        Path(OWN).write_text(str(NICE))
    except OSError as error:
        return f"own session (autogroup) of usual weight: {error.strerror}"
    return f"own session (autogroup), nice {NICE}"


def cgroup() -> str | None:
    """Moves this process into a cgroup of its own with ten times the usual weight, or None if that cannot be."""
    group = CPU / "acrypto-bench"
    try:
        group.mkdir(exist_ok=True)
        (group / "cpu.shares").write_text("10240")
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError:
        return None
    return "own cgroup, ten times the usual weight"


def main() -> int:
    """Forks once: the child leads a new session, the parent hands signals on and waits."""
    child = os.fork()
    if child == 0:
        os.setsid()
        how = autogroup() or cgroup() or "own session; the kernel has no autogroups, and no cgroup can be made"
        os.environ[GROUP] = how
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])

    def hand_on(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main())
