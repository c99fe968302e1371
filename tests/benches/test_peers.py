"""What the benches read from their peers, and that one which is absent costs its rows, not the bench."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import crypto_peers
import dpdk_compress
import plots
import pytest
from tests.house.places import ROOT

DPDK = """
#lcore id,Buffer Size(B),Burst Size,Enqueued,Dequeued,Failed Enq,Failed Deq,Ops(Millions),Throughput(Gbps),Cycles/Buf

1,4096,32,300000,300000,0,0,2.500,81.920,1040.000
"""


def test_openssl_tells_bytes_a_second() -> None:
    assert crypto_peers.openssl_told("+H:64\n+F:25:sha256:500000000.00\n", 64) == pytest.approx(128)
    assert crypto_peers.openssl_told("+F:9:hmac(sha256):250000000.00", 64) == pytest.approx(256)
    with pytest.raises(crypto_peers.Absent, match="no figure"):
        crypto_peers.openssl_told("", 64)


def test_dpdk_tells_millions_of_operations_a_second() -> None:
    assert crypto_peers.dpdk_told(DPDK) == pytest.approx(400)
    with pytest.raises(crypto_peers.Absent, match="no figure"):
        crypto_peers.dpdk_told("EAL: nothing")


def test_a_command_that_fails_or_is_not_there_is_absent_for_a_reason() -> None:
    with pytest.raises(crypto_peers.Absent, match="ended with 3: because"):
        crypto_peers.run([sys.executable, "-c", "import sys; print('because', file=sys.stderr); sys.exit(3)"])
    with pytest.raises(crypto_peers.Absent, match="nowhere-to-be-found"):
        crypto_peers.run(["nowhere-to-be-found"])


def test_sizes_are_named_as_people_do() -> None:
    assert [plots.size_name(size) for size in (16, 4096, 1 << 20, 16 << 20)] == ["16", "4 Ki", "1 Mi", "16 Mi"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table1", "scaling"])
def test_a_bench_runs_in_its_quick_form(name: str, tmp_path: Path) -> None:
    """It stores rows and the machine, and not among the results."""
    stored = ROOT / "build" / "bench-quick" / f"{name}.json"
    stored.unlink(missing_ok=True)
    argv = [sys.executable, str(ROOT / "benches" / "alone.py"), str(ROOT / "benches" / f"bench_{name}.py"), "--quick"]
    subprocess.run(argv, check=True, timeout=100, capture_output=True, cwd=tmp_path)
    result = json.loads(stored.read_text())
    assert result["rows"]
    assert result["machine"]["group"].startswith("own ")
    assert result["machine"]["instructions"]


def test_dpdk_tells_gigabits_a_second() -> None:
    heading = "    lcore id Level   Comp size   Comp ratio [%]    Comp [Gbps]   Decomp [Gbps]\n"
    text = heading + "           1     1     1639638            39.09           8.00           16.00\n"
    assert dpdk_compress.told(text, 4096) == pytest.approx((4096, 2048))
    with pytest.raises(crypto_peers.Absent, match="no figure"):
        dpdk_compress.told("EAL: nothing", 4096)
