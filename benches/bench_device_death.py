"""What deaths cost: a mixed load over software, simulated and soft analytics devices, without and with one a second."""

from __future__ import annotations

import sys

from measure import ROOT, Report, quick

sys.path.insert(0, str(ROOT))

from tests.faults.storm import COROUTINES, NUM_MORTAL, THREADS, Storm

SECONDS = quick(60, 3) * 1.0
EVERY = 1.0


def main() -> None:
    report = Report("device_death")
    calm = Storm(seconds=SECONDS, every=0).run()
    storm = Storm(seconds=SECONDS, every=EVERY).run()
    report.raw = {
        "load": f"{THREADS} threads, {COROUTINES} coroutines; software and {NUM_MORTAL} devices",
        "without deaths": calm.as_dict(),
        "with deaths": storm.as_dict(),
    }
    failed = storm.failures.total()
    report.add("requests that failed", failed, "", mark="0", met=failed == 0)
    report.add("results that were wrong", storm.wrong, "", mark="0", met=storm.wrong == 0)
    report.add("deaths", storm.deaths.total(), "", mark="", met=None)
    report.add("requests done more than once", storm.again, "", mark="", met=None)
    report.add("load without deaths", calm.rate(), "1/s", mark="", met=None)
    report.add(
        "load with a death each second (peer: without)", storm.rate(), "1/s", mark="", met=None, peer=calm.rate()
    )
    report.finish()


if __name__ == "__main__":
    main()
