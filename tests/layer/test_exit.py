"""An interpreter ends well and in time, whatever is in flight."""

from __future__ import annotations

import pytest
from tests.layer.conftest import Script

ENDINGS = {"falls off": "", "sys.exit": "sys.exit(0)", "raise SystemExit": "raise SystemExit"}

IN_A_LOOP = """
import acrypto, asyncio, sys
async def main():
    layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
    asyncio.get_running_loop().layer = layer
    operations = [layer.digest("sha256", bytes(2000)) for _ in range(10_000)]
    {ending}
asyncio.run(main())
"""

IN_THREADS = """
import acrypto, sys, threading
layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
operations = []
def submit():
    operations.extend(layer.digest("sha256", bytes(2000)) for _ in range(2500))
threads = [threading.Thread(target=submit) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
{ending}
"""

HEAVY = """
import acrypto, asyncio
layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
transform = layer.transform("gzip", level=9)
data = acrypto.random(1 << 20) * 4
async def main():
    operations = [transform.compress(data) for _ in range(200)]
    await operations[0]
asyncio.run(main())
"""

DAEMONS = """
import acrypto, asyncio, threading
layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
started = threading.Barrier(9)
def work():
    layer.digest("sha256", b"x").wait()
    started.wait()
    try:
        while True:
            layer.digest("sha256", bytes(3000)).wait()
    except acrypto.ClosedError:
        pass
def loop():
    async def main():
        await layer.digest("sha256", b"x")
        started.wait()
        try:
            while True:
                await layer.digest("sha256", bytes(3000))
        except acrypto.ClosedError:
            pass
    asyncio.run(main())
for target in [work] * 4 + [loop] * 4:
    threading.Thread(target=target, daemon=True).start()
started.wait()
"""

GLOBALS = """
import acrypto, asyncio
layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
transform = layer.transform("gcm(aes)", key=bytes(16))
result = transform.encrypt(bytes(12), bytes(100_000)).wait()
view = memoryview(result)
operation = transform.encrypt(bytes(12), bytearray(1 << 20))
class Late:
    def __del__(self, layer=layer, view=view):
        assert not layer.is_open and len(view) == 100_016
late = Late()
"""

PYTHON_ENGINE = """
import acrypto
from acrypto.engines.null import Null
layer = acrypto.open([Null(python=True)])
operations = [layer.digest("sha256", bytes(100)) for _ in range(10_000)]
"""

FAULTY = """
import acrypto
from acrypto.engines.faulty import Fault, Faulty
layer = acrypto.open([Faulty(Fault("drop", every=3), Fault("refuse", every=5))])
operations = [layer.digest("sha256", bytes(100)) for _ in range(10_000)]
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("program", [IN_A_LOOP, IN_THREADS], ids=["loop", "threads"])
def test_ending_with_ten_thousand_in_flight(script: Script, program: str, ending: str) -> None:
    script(program.format(ending=ENDINGS[ending]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [DAEMONS, GLOBALS, PYTHON_ENGINE, FAULTY],
    ids=["daemon threads", "globals", "python engine", "faulty engine"],
)
def test_ending_in_the_middle_of_things(script: Script, program: str) -> None:
    script(program)


@pytest.mark.slow
def test_ending_does_not_wait_for_everything_that_was_submitted(script: Script) -> None:
    """Two hundred compressions at level 9 would take half a minute: what runs is finished, the rest is not started."""
    script(HEAVY, timeout_s=12)


@pytest.mark.slow
def test_an_exception_at_the_end_is_the_only_thing_that_is_told() -> None:
    import subprocess
    import sys

    program = IN_THREADS.format(ending="raise RuntimeError('the end')")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "RuntimeError: the end"
    assert ended.stderr.count("\n") <= 4
