"""A forked child gets a clear error or a fresh layer, never a hang; its parent goes on."""

from __future__ import annotations

import textwrap

import pytest
from tests.layer.conftest import Script

# Each child has a watchdog: a hang kills it with SIGALRM, and the parent's check of its status fails.
BUSY = """
import acrypto, asyncio, multiprocessing, os, signal, sys
from acrypto.engines.faulty import Fault, Faulty

layer = acrypto.open(settings=acrypto.Settings(inline_us=0))
transform = layer.transform("sha256")
source = bytearray(100_000)
operations = [transform.digest(source) for _ in range(500)]

def in_child(work):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        try:
            work()
        except BaseException:
            import traceback
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert status == 0, status

def refused(*calls):
    for call in calls:
        try:
            call()
        except acrypto.ClosedError:
            continue
        raise AssertionError(call)

async def fresh():
    async with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:
        return await asyncio.gather(*(layer.digest("sha256", b"x") for _ in range(200)))
"""

PARENT_GOES_ON = """
right = acrypto.sha256(source)
assert {operation.wait(10) for operation in operations} == {right}
assert transform.digest(source).wait(10) == right
layer.close()
assert layer.lingering() == 0
source.append(1)
"""

CHILDREN = {
    "the old layer refuses": """
        assert not layer.is_open and repr(layer) == "<Layer: closed>"
        refused(
            lambda: layer.digest("sha256", b"x"), lambda: transform.digest(b"x"), lambda: transform.try_digest(b"x"),
            lambda: layer.transform("gzip"), lambda: layer.random(3), lambda: layer.explain("sha256", nbytes=3),
            lambda: transform.digest_many([b"x"]), lambda: asyncio.run(later()),
        )
    """,
    "closing the old layer returns": """
        layer.close()
        asyncio.run(layer.aclose())
    """,
    "an inherited operation refuses": "refused(lambda: operations[-1].wait(), lambda: pending.wait(5))",
    "one-shots work": """
        assert acrypto.decompress("gzip", acrypto.compress("gzip", b"x" * 100_000)) == b"x" * 100_000
        assert len(acrypto.random(10)) == 10
    """,
    "a fresh layer works": "assert set(asyncio.run(fresh())) == {acrypto.sha256(b'x')}",
    "a grandchild is a child too": """
        with acrypto.open(settings=acrypto.Settings(inline_us=0)) as mine:
            mine.digest("sha256", b"x").wait(10)
            in_child(lambda: refused(lambda: mine.digest("sha256", b"x"), lambda: layer.digest("sha256", b"x")))
            in_child(lambda: asyncio.run(fresh()))
            mine.digest("sha256", b"x").wait(10)
    """,
    "dropping everything inherited returns": """
        import gc
        global layer, transform, operations, pending
        del layer, transform, operations, pending
        gc.collect()
        asyncio.run(fresh())
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_of_a_busy_parent(script: Script, child: str) -> None:
    program = f"""
async def later():
    await layer.digest("sha256", b"x")
slow = acrypto.open([Faulty(Fault("delay", seconds=0.3, times=1))], settings=acrypto.Settings(workers=1))
pending = slow.digest("sha256", b"x")
def work():
{textwrap.indent(textwrap.dedent(CHILDREN[child]), "    ")}
in_child(work)
slow.close()
"""
    script(BUSY + program + PARENT_GOES_ON)


@pytest.mark.slow
def test_forking_again_and_again_under_load(script: Script) -> None:
    """Whatever lock a worker holds at the moment of the fork."""
    script(
        BUSY
        + """
import threading
stop = threading.Event()
def load():
    while not stop.is_set():
        for operation in [transform.digest(b"x" * 100) for _ in range(20)]:
            operation.wait(10)
threads = [threading.Thread(target=load) for _ in range(2)]
for thread in threads: thread.start()
def work():
    refused(lambda: layer.digest("sha256", b"x"))
    layer.close()
    with acrypto.open(settings=acrypto.Settings(inline_us=0)) as mine:
        mine.digest("sha256", b"x").wait(10)
for _ in range(30):
    in_child(work)
stop.set()
for thread in threads: thread.join()
"""
        + PARENT_GOES_ON
    )


@pytest.mark.slow
def test_forking_inside_a_running_loop(script: Script) -> None:
    script(
        BUSY
        + """
async def main():
    mine = [transform.digest(source) for _ in range(50)]
    def work():
        refused(lambda: transform.digest(b"x"))
        assert acrypto.sha256(b"x")
        with acrypto.open(settings=acrypto.Settings(inline_us=0)) as fresh_layer:
            fresh_layer.digest("sha256", b"x").wait(10)
    in_child(work)
    assert set(await asyncio.gather(*mine)) == {acrypto.sha256(source)}
asyncio.run(main())
"""
        + PARENT_GOES_ON
    )


@pytest.mark.slow
def test_a_child_that_exits_like_any_program(script: Script) -> None:
    """With its exit handlers, finalizers and all, the old layer open and in flight."""
    script(
        BUSY
        + """
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    signal.alarm(10)
    asyncio.run(fresh())
    sys.exit(0)
status = os.waitpid(pid, 0)[1]
assert status == 0, status
"""
        + PARENT_GOES_ON
    )


@pytest.mark.slow
def test_multiprocessing_by_fork(script: Script) -> None:
    script(
        BUSY
        + """
def task(number):
    try:
        layer.digest("sha256", b"x")
    except acrypto.ClosedError:
        return asyncio.run(fresh())[0] + bytes([number])
context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    results = pool.map_async(task, range(8)).get(15)
    pool.close()
    pool.join()
assert results == [acrypto.sha256(b"x") + bytes([number]) for number in range(8)]
"""
        + PARENT_GOES_ON
    )


@pytest.mark.slow
def test_multiprocessing_by_spawn_has_nothing_to_inherit(script: Script) -> None:
    script(
        """
import asyncio, subprocess, sys
import acrypto
with acrypto.open(settings=acrypto.Settings(inline_us=0)) as layer:
    operations = [layer.digest("sha256", bytes(10_000)) for _ in range(500)]
    program = "import acrypto; print(acrypto.open().digest('sha256', b'x').wait().hex())"
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    assert bytes.fromhex(out.stdout) == acrypto.sha256(b"x")
    for operation in operations:
        operation.wait(10)
"""
    )
