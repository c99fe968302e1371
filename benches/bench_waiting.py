"""What a waiting request costs in memory: a million of them behind a device that is busy, their handles included."""

from __future__ import annotations

import subprocess

from measure import PYTHON, Report, median, quick

CODE = """
import sys
import acrypto
from acrypto.testing.gate import Gate

number, room, extra = int(sys.argv[1]), int(sys.argv[2]), eval(sys.argv[3])


def resident():
    with open("/proc/self/smaps_rollup") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss"))


gate = Gate()
settings = acrypto.Settings(queue_operations=room, queue_bytes=1 << 40)
layer = acrypto.open([gate], settings=settings)
digests = layer.transform("sha256")
data = bytes(64)
handles = [None] * number
first = digests.digest(data)
gate.arrived.wait()
before = resident()
for index in range(number):
    handles[index] = digests.digest(data, **extra)
print((resident() - before) / number)
gate.open()
assert all(handle.wait() == handles[0].result() for handle in handles)
"""
NUMBER = quick(1_000_000, 10_000)
ROUNDS = quick(3)
#: What is measured: the room in the queue, and what each call is given beside its data.
KINDS = {
    "queued": (2 * NUMBER, "{}"),
    "behind the queue's budget": (1024, "{}"),
    "queued, with a deadline": (2 * NUMBER, "{'deadline': 3600.0}"),
}


def child(room: int, extra: str) -> float:
    """Resident bytes per request, of a process of its own."""
    told = subprocess.run(
        [PYTHON, "-c", CODE, str(NUMBER), str(room), extra], check=True, capture_output=True, text=True
    )
    return float(told.stdout)


def main() -> None:
    report = Report("waiting")
    for name, (room, extra) in KINDS.items():
        samples = [child(room, extra) for _ in range(ROUNDS)]
        report.raw[name] = samples
        ours = median(samples)
        is_marked = extra == "{}"
        mark, met = ("<= 400 bytes", ours <= 400) if is_marked else ("", None)
        report.add(f"one of a million requests, {name}, beyond its data", ours, "bytes", mark=mark, met=met)
    report.finish()


if __name__ == "__main__":
    main()
