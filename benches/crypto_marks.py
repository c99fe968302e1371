"""The marks of bench_crypto: 64 messages of 4 KiB, with more rounds than the grid has, the peer in turns with us.

Batches run on the calling thread: on one core there is nobody else to do it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import crypto_peers
import instructions
from crypto_cases import CASES, Case
from measure import in_turns, median, per_call, quick

import acrypto

if TYPE_CHECKING:
    from bench_crypto import Bench

NUMBER, SIZE = 64, 4096
#: Bursts that one run of the event loop awaits.
BURSTS = 16
ROUNDS = quick(15)
SAMPLE_S = quick(20, 2) / 1e3
DPDK_ROUNDS = quick(5)
#: What is counted, where instructions can be: ours and hashlib, for 64 messages.
COUNTED = """
import hashlib, os, acrypto
messages = [os.urandom(4096) for _ in range(64)]
layer = acrypto.open(); layer.__enter__()
transform = layer.transform("sha256")
""".strip()
BY = {case.name: case for case in CASES}
Sampler = Callable[[], float]


def measure(bench: Bench) -> None:
    """All marks, into the bench's report."""
    layer = bench.layers["both"]
    messages = [os.urandom(SIZE) for _ in range(NUMBER)]
    digests(bench, layer, messages)
    for name in ("hmac-sha256", "aes-128-cbc", "aes-128-cbc-hmac-sha256", "aes-256-gcm"):
        case = BY[name]
        many = case.many(case.transform(layer), mode="inline")
        ours = each(lambda many=many: many(messages).wait())
        raw(bench, case, ours)
        dpdk(bench, case, ours)
    for who, statement in (
        ("ours, digest_many of 64", "transform.digest_many(messages).wait()"),
        ("hashlib, 64 in a loop", "[hashlib.sha256(message).digest() for message in messages]"),
    ):
        bench.report.raw[f"instructions of 64 SHA-256 of 4 KiB: {who}"] = instructions.per_round(COUNTED, statement)


def each(run: Callable[[], object], bursts: int = 1) -> Sampler:
    """Nanoseconds a message; the balancer has had its time to learn before."""
    for _ in range(quick(60, 3)):
        run()
    sample = per_call(run, at_least_s=SAMPLE_S)
    return lambda: sample() / NUMBER / bursts * 1e9


def digests(bench: Bench, layer: acrypto.Layer, messages: list[bytes]) -> None:
    """Against hashlib in a loop."""
    case = BY["sha256"]
    transform = case.transform(layer)
    one, many, inline = case.one(transform), case.many(transform), case.many(transform, mode="inline")
    samplers = {
        "awaited": each(bench.awaited(one, messages, BURSTS), BURSTS),
        "inline": each(lambda: inline(messages).wait()),
        "many": each(lambda: many(messages).wait()),
        "hashlib": each(lambda: [hashlib.sha256(message).digest() for message in messages]),
    }
    samples = in_turns(samplers, ROUNDS)
    peer = samples["hashlib"]
    what = "SHA-256 of 4 KiB, 64 {}, mark (peer hashlib in a loop)"
    bench.report.times(what.format("awaited at once"), samples["awaited"], "ns", peer=peer, least=1.8)
    bench.report.times(what.format("through digest_many, inline"), samples["inline"], "ns", peer=peer, least=2.2)
    what = "SHA-256 of 4 KiB, 64 through digest_many, by a worker on the same core (peer hashlib in a loop)"
    bench.report.times(what, samples["many"], "ns", peer=peer)


def raw(bench: Bench, case: Case, ours: Sampler) -> None:
    """Against ipsec-mb without anything around it. GCM has another way to meet its mark: 10 GB/s."""
    fast = case.name == "aes-256-gcm"
    what = f"{case.title} of 4 KiB, 64 through encrypt_many, inline, mark (peer raw ipsec-mb)"
    what = what.replace("encrypt_many", "mac_many") if case.method == "mac" else what
    samplers: dict[str, Any] = {"ours": ours}
    bench.peer(what, samplers, "raw ipsec-mb", lambda: crypto_peers.raw(case.raw, SIZE, NUMBER, SAMPLE_S))
    samples = in_turns(samplers, ROUNDS)
    peer = samples.get("raw ipsec-mb")
    least = 0.8 if fast else 0.85
    speed = SIZE / median(samples["ours"])
    bench.report.times(what, samples["ours"], "ns", peer=peer, least=least)
    row = bench.report.rows[-1]
    if fast:
        row["mark"] = f">= 10 GB/s or {least:.2f} x"
        row["met"] = speed >= 10 or bool(row["met"])
    elif peer is None:
        row["mark"] = f">= {least:.2f} x (no peer here)"


def dpdk(bench: Bench, case: Case, ours: Sampler) -> None:
    """Against DPDK's crypto perf with bursts of 64, on a core of its own."""
    what = f"{case.title} of 4 KiB, 64 at once, mark (peer DPDK's crypto perf)"
    samplers: dict[str, Any] = {"ours": ours}
    operations = quick(200_000, 10_000)
    bench.peer(what, samplers, "DPDK", lambda: crypto_peers.dpdk(case.dpdk, SIZE, NUMBER, operations))
    if len(samplers) == 1:
        return
    samples = in_turns(samplers, DPDK_ROUNDS)
    bench.report.times(what, samples["ours"], "ns", peer=samples["DPDK"], least=0.85)
