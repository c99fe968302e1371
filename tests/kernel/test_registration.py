"""Registering, looking up, and taking back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.kernel.codecs import TEXT, acomp, comp, deflate, inflate, round_trip, run, scomp

import acrypto
from acrypto.kernel import (
    CRYPTO_ALG_ASYNC,
    EAGAIN,
    EEXIST,
    EINVAL,
    EIO,
    ELIBBAD,
    ENAMETOOLONG,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSPC,
    ERR_PTR,
    ESHUTDOWN,
    ETIMEDOUT,
    IS_ERR,
    AcompAlg,
    CompAlg,
    Kernel,
    ScompAlg,
    acomp_request_alloc,
    ahash_request_alloc,
    ahash_request_set_crypt,
    boot,
    crypto_ahash_digest,
    crypto_alloc_acomp,
    crypto_alloc_aead,
    crypto_alloc_ahash,
    crypto_alloc_rng,
    crypto_alloc_shash,
    crypto_alloc_skcipher,
    crypto_free_acomp,
    crypto_has_acomp,
    crypto_has_aead,
    crypto_has_ahash,
    crypto_has_alg,
    crypto_has_comp,
    crypto_has_skcipher,
    crypto_register_acomp,
    crypto_register_acomps,
    crypto_register_alg,
    crypto_register_scomp,
    crypto_register_scomps,
    crypto_rng_get_bytes,
    crypto_unregister_acomp,
    crypto_unregister_alg,
    crypto_unregister_scomp,
    current,
)
from acrypto.kernel.lookup import ALIASES

FAMILIES = [
    (scomp, crypto_register_scomp, crypto_unregister_scomp),
    (acomp, crypto_register_acomp, crypto_unregister_acomp),
    (comp, crypto_register_alg, crypto_unregister_alg),
]
IDS = ["scomp", "acomp", "comp"]


@pytest.mark.parametrize(("make", "register", "unregister"), FAMILIES, ids=IDS)
def test_duplicates(kernel: Kernel, make: Any, register: Any, unregister: Any) -> None:
    """A driver name in use, by whatever family or by the layer, is -EEXIST; freed it can be used again."""
    alg = make("zz", "zz-py")
    assert register(alg) == 0
    for again in (alg, scomp("zy", "zz-py"), acomp("zy", "zz-py"), comp("zy", "zz-py"), comp("zz-py", "zy-py")):
        call = {CompAlg: crypto_register_alg, ScompAlg: crypto_register_scomp, AcompAlg: crypto_register_acomp}
        assert call[type(again)](again) == -EEXIST
    assert register(make("deflate", "deflate-libdeflate")) == -EEXIST
    assert unregister(alg) == 0
    assert unregister(alg) == -ENOENT
    assert register(make("zz", "zz-py")) == 0


@pytest.mark.parametrize(("make", "register", "unregister"), FAMILIES, ids=IDS)
@pytest.mark.parametrize(
    ("name", "driver", "facts", "code"),
    [
        ("zz", "zz-py", {"cra_priority": -1}, -EINVAL),
        ("zz", "zz-py", {"cra_blocksize": 161}, -EINVAL),
        ("zz", "zz-py", {"cra_blocksize": -1}, -EINVAL),
        ("zz", "zz-py", {"cra_alignmask": 2}, -EINVAL),
        ("zz", "zz-py", {"cra_alignmask": 255}, -EINVAL),
        ("", "zz-py", {}, -EINVAL),
        ("z((", "zz-py", {}, -EINVAL),
        ("z" * 129, "zz-py", {}, -ENAMETOOLONG),
        ("zz", "z" * 129, {}, -ENAMETOOLONG),
        ("zz", "zz-py", {"cra_priority": 1 << 40}, -EINVAL),
    ],
)
def test_what_is_wrong_is_refused(
    kernel: Kernel, make: Any, register: Any, unregister: Any, name: str, driver: str, facts: Any, code: int
) -> None:
    """Nothing of it is registered."""
    alg = make(name, driver)
    for fact, value in facts.items():
        setattr(alg, fact, value)
    assert register(alg) == code
    assert not kernel.algs
    assert not kernel.comps
    assert register(scomp if make is not scomp else acomp) == -EINVAL


def test_drivers_without_a_name_are_generic(kernel: Kernel) -> None:
    """As in the kernel, the driver is then called after the algorithm."""
    assert scomp("zz", "").cra_driver_name == "zz-generic"


@pytest.mark.parametrize(("make", "many"), [(scomp, crypto_register_scomps), (acomp, crypto_register_acomps)])
def test_bulk_registration_is_whole_or_not_at_all(
    kernel: Kernel, make: Any, many: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first that is refused, those before it are taken back, the last one first."""
    left: list[str] = []
    layer = kernel.layer
    original = type(layer).unregister

    def unregister(self: acrypto.Layer, name: str, timeout: float | None = None) -> None:
        left.append(name)
        original(self, name, timeout)

    monkeypatch.setattr(type(layer), "unregister", unregister)
    algs = [make(f"z{n}", f"z{n}-py") for n in range(3)] + [make("zz", "z1-py")]
    assert many(algs) == -EEXIST
    assert [name[:2] for name in left] == ["z2", "z1", "z0"]
    for n in range(3):
        assert crypto_alloc_acomp(f"z{n}") == ERR_PTR(-ENOENT)
    assert many(algs[:3]) == 0
    for n in range(3):
        assert round_trip(crypto_alloc_acomp(f"z{n}-py")) == TEXT


def test_transforms_outlive_their_registration(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    """Unregistered, it leaves lookup at once; who has it goes on, and the log warns."""
    for make, register, unregister in FAMILIES[:2]:
        alg = make("zz", "zz-py")
        assert register(alg) == 0
        tfm = crypto_alloc_acomp("zz")
        assert alg.cra_refcnt == 1
        assert unregister(alg) == 0
        assert crypto_alloc_acomp("zz") == ERR_PTR(-ENOENT)
        assert "1 transforms use it" in caplog.text
        assert round_trip(tfm) == TEXT
        crypto_free_acomp(tfm)
        assert alg.cra_refcnt == 0


def test_the_layer_uses_what_is_registered(kernel: Kernel) -> None:
    """`layer.compress` takes the implementation by its algorithm's name and by its driver's."""
    assert crypto_register_scomp(scomp("zz", "zz-py")) == 0
    assert crypto_register_acomp(acomp("zy", "zy-py")) == 0
    layer, data = kernel.layer, TEXT * 3000
    for name in ("zz", "zz-py", "zy", "zy-py"):
        packed = layer.compress(name, data).wait(10)
        assert layer.decompress(name, packed).wait(10) == data
        assert layer.decompress("deflate", packed).wait(10) == data
        with pytest.raises(acrypto.CorruptInput):
            layer.decompress(name, b"\xff" * 9).wait(10)
        with pytest.raises(acrypto.LimitExceeded):
            layer.decompress(name, packed, max_output=1000).wait(10)
        with pytest.raises(acrypto.OutputTooSmall):
            layer.transform(name).compress(data, into=bytearray(10)).wait(10)


def _put(result: acrypto.Buffer, dst: memoryview) -> int:
    if len(result) > len(dst):
        return -ENOSPC
    dst[: len(result)] = memoryview(result)
    return len(result)


def test_the_kernels_names(kernel: Kernel) -> None:
    """lz4 is the kernel's block format, not our frames; lz4hc is level 9 of it unless somebody registers another."""
    row = kernel.layer.find("lz4-block")
    assert crypto_alloc_acomp("lz4").driver == row.driver
    hc = crypto_alloc_acomp("lz4hc")
    data = b"".join(b"%d, " % (n * n) for n in range(4000))
    plain, best = bytearray(1 << 17), bytearray(1 << 17)
    assert (
        run(hc, data, best, len(data), len(best))[1]
        < run(crypto_alloc_acomp("lz4"), data, plain, len(data), len(plain))[1]
    )

    def pack(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        return _put(acrypto.compress("lz4-block", src), dst)

    def unpack(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        return _put(acrypto.decompress("lz4-block", src, max_output=len(dst)), dst)

    assert crypto_register_scomp(scomp("lz4hc", "lz4hc-py", compress=pack, decompress=unpack)) == 0
    assert crypto_alloc_acomp("lz4hc").driver == "lz4hc-py"
    for name, (own, _) in ALIASES.items():
        assert kernel.layer.find(own).algorithm == own, name


def test_has(kernel: Kernel) -> None:
    """`crypto_has_*` say what the allocators would find."""
    crypto_register_alg(comp("zz", "zz-comp"))
    crypto_register_scomp(scomp("zy", "zy-scomp"))
    assert [crypto_has_comp("zz"), crypto_has_acomp("zz"), crypto_has_alg("zz-comp")] == [1, 0, 1]
    assert [crypto_has_comp("deflate"), crypto_has_comp("zy"), crypto_has_comp("lzo")] == [1, 0, 0]
    assert [crypto_has_acomp("zy"), crypto_has_acomp("zy", CRYPTO_ALG_ASYNC, CRYPTO_ALG_ASYNC)] == [1, 0]
    assert [crypto_has_aead("gcm(aes)"), crypto_has_aead("sha256"), crypto_has_ahash("sha256")] == [1, 0, 1]
    assert [crypto_has_skcipher("cbc(aes)"), crypto_has_alg("nope"), crypto_has_alg("crc32")] == [1, 0, 0]


def test_insecure_ones_are_not_found_unasked() -> None:
    """What the layer refuses to use, an allocation does not find."""
    with boot():
        assert crypto_alloc_skcipher("cbc(des3_ede)") == ERR_PTR(-ENOENT)
    with acrypto.open(settings=acrypto.Settings(allow_insecure=True)) as layer, boot(layer):
        assert not IS_ERR(crypto_alloc_skcipher("cbc(des3_ede)"))


def test_kernels_nest_and_leave_nothing(layer: acrypto.Layer) -> None:
    """The innermost kernel is the current one; what was registered in it is gone after it."""
    with boot(layer) as outer:
        assert current() is outer
        with boot(layer, profile="v9-2023") as inner:
            assert current() is inner
            assert crypto_register_scomp(scomp("zz", "zz-py")) == 0
            assert crypto_alloc_acomp("zz").driver == "zz-py"
        assert current() is outer
        assert crypto_alloc_acomp("zz") == ERR_PTR(-ENOENT)
    with pytest.raises(acrypto.UsageError, match="profile"), boot(layer, profile="2042"):
        pass


def test_there_is_a_kernel_without_boot() -> None:
    """The first call opens a default one, which stays."""
    assert round_trip(crypto_alloc_acomp("deflate")) == TEXT
    assert current() is current()
    assert current().profile == "2025"
    current().close()


def test_a_raising_implementation_is_an_error_code(kernel: Kernel, caplog: pytest.LogCaptureFixture) -> None:
    """-EIO, and the traceback in the log; an error of ours has its own code."""
    alg = scomp("zz", "zz-py")
    assert crypto_register_scomp(alg) == 0
    tfm = crypto_alloc_acomp("zz")
    alg.compress = lambda tfm, src, dst, ctx: 1 // 0
    assert run(tfm, TEXT, bytearray(100), 70, 100)[0] == -EIO
    assert "ZeroDivisionError" in caplog.text
    alg.compress = lambda tfm, src, dst, ctx: (_ for _ in ()).throw(acrypto.DeviceLost("x"))
    assert run(tfm, TEXT, bytearray(100), 70, 100)[0] == -ENODEV


def test_sources_are_read_only(kernel: Kernel) -> None:
    """An implementation cannot write to what it is to compress."""
    alg = scomp("zz", "zz-py")
    crypto_register_scomp(alg)
    tfm = crypto_alloc_acomp("zz")
    seen: list[bool] = []

    def compress(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        seen.append(src.readonly)
        return deflate(src, dst)

    alg.compress = compress
    source = bytearray(TEXT)
    run(tfm, source, bytearray(100), 70, 100)
    run(tfm, [memoryview(source)[:3], memoryview(source)[3:]], bytearray(100), 70, 100)
    assert seen == [True, True]


@pytest.mark.parametrize("profile", ["2025", "v9-2023"])
def test_contexts(layer: acrypto.Layer, profile: str) -> None:
    """One for each request in the older profile, one for each worker in the newer; all are freed in the end."""
    live: set[int] = set()
    made: list[object] = []

    def alloc() -> object:
        ctx = object()
        made.append(ctx)
        live.add(id(ctx))
        return ctx

    def compress(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        assert id(ctx) in live
        return deflate(src, dst)

    def decompress(tfm: Any, src: memoryview, dst: memoryview, ctx: Any) -> int:
        assert id(ctx) in live
        return inflate(src, dst)

    alg = scomp(
        "zz", "zz-py", compress=compress, decompress=decompress, alloc_ctx=alloc, free_ctx=lambda c: live.remove(id(c))
    )  # fmt: skip
    with boot(layer, profile=profile) as kernel:
        assert crypto_register_scomp(alg) == 0
        assert not live
        tfm, before = crypto_alloc_acomp("zz"), len(made)
        for _ in range(20):
            assert round_trip(tfm) == TEXT
        if kernel.classic:
            assert len(made) == before + 40
        else:
            assert len(made) <= before + len(kernel.scratches.workers)
        crypto_free_acomp(tfm)
        assert not live
        alg.alloc_ctx = lambda: ERR_PTR(-ENOMEM)
        tfm = crypto_alloc_acomp("zz")
        if kernel.classic:
            assert acomp_request_alloc(tfm) is None
            crypto_free_acomp(tfm)
        else:
            assert tfm == ERR_PTR(-ENOMEM)
        assert alg.cra_refcnt == 0


def test_init_and_exit(kernel: Kernel) -> None:
    """An acomp implementation is told of each transform, and may refuse it."""
    seen: list[str] = []
    alg = acomp("zz", "zz-py", init=lambda tfm: seen.append("init") or 0, exit=lambda tfm: seen.append("exit"))
    assert crypto_register_acomp(alg) == 0
    seen.clear()
    crypto_free_acomp(crypto_alloc_acomp("zz"))
    assert seen == ["init", "exit"]
    alg.init = lambda tfm: -ENODEV
    assert crypto_alloc_acomp("zz") == ERR_PTR(-ENODEV)
    assert alg.cra_refcnt == 0


def test_a_forked_child_has_a_kernel_of_its_own(script: Callable[[str], str]) -> None:
    """What the parent had is shut down there, and never hangs; new calls work."""
    told = script("""
import os
from acrypto.kernel import *
old, later = crypto_alloc_acomp("deflate"), crypto_alloc_ahash("cryptd(sha256)")

def digest(tfm):
    wait, req, out = DECLARE_CRYPTO_WAIT(), ahash_request_alloc(tfm), bytearray(32)
    ahash_request_set_callback(req, 0, crypto_req_done, wait)
    ahash_request_set_crypt(req, b"x", out, 1)
    return crypto_wait_req(crypto_ahash_digest(req), wait)

assert digest(later) == 0
if os.fork() == 0:
    req = acomp_request_alloc(old)
    acomp_request_set_params(req, b"x", bytearray(9), 1, 9)
    print(errname(crypto_acomp_compress(req)), errname(digest(later)), digest(crypto_alloc_ahash("cryptd(sha256)")))
else:
    os.wait()
""")
    assert told == "-ESHUTDOWN -ESHUTDOWN 0\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (acrypto.EngineError("went while it was looked at"), -EAGAIN),
        (acrypto.UsageError("malformed"), -EINVAL),
        (acrypto.ClosedError("closed"), -ESHUTDOWN),
        (acrypto.DeadlineExceeded("larval"), -ETIMEDOUT),
        (acrypto.NoEngine("none"), -ENOENT),
    ],
)
def test_why_there_is_none(kernel: Kernel, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    """Each way in which the layer finds nothing has its code."""

    def find(self: acrypto.Layer, name: str, **wanted: object) -> object:
        raise error

    monkeypatch.setattr(type(kernel.layer), "find", find)
    for allocate in (
        crypto_alloc_acomp,
        crypto_alloc_shash,
        crypto_alloc_aead,
        crypto_alloc_skcipher,
        crypto_alloc_rng,
    ):
        assert allocate("zz") == ERR_PTR(code)


def test_malformed_names(kernel: Kernel) -> None:
    """What is no name is nobody's: -ENOENT; parts that do not fit are -EINVAL, what is too long -ENAMETOOLONG."""
    for name in ("deflate(", "(aes)", "gcm(aes))", ""):
        assert crypto_alloc_acomp(name) == ERR_PTR(-ENOENT), name
    assert crypto_alloc_aead("authenc(cbc(aes),hmac(sha256))") == ERR_PTR(-EINVAL)
    assert crypto_alloc_acomp("d" * 128) == ERR_PTR(-ENOENT)
    assert crypto_alloc_acomp("d" * 129) == ERR_PTR(-ENAMETOOLONG)


def test_what_an_implementation_says_reaches_the_layer(kernel: Kernel) -> None:
    """Codes of an implementation are the layer's errors."""
    alg = scomp("zz", "zz-py")
    assert crypto_register_scomp(alg) == 0
    layer = kernel.layer
    for code, error in (
        (-ENODEV, acrypto.DeviceLost), (-EIO, acrypto.EngineError), (-ENOSPC, acrypto.OutputTooSmall),
        (1 << 30, acrypto.OutputTooSmall),
    ):  # fmt: skip
        alg.compress = lambda tfm, src, dst, ctx, code=code: code
        with pytest.raises(error):
            layer.compress("zz", TEXT).wait(10)
    alg.alloc_ctx = lambda: 1 // 0
    with pytest.raises(acrypto.EngineError):
        layer.compress("zz", TEXT).wait(10)
    assert crypto_alloc_acomp("zz") == ERR_PTR(-ENOMEM)
    assert "zz-py" in repr(alg)


def test_a_driver_that_refuses_its_transform_fails_its_test(kernel: Kernel) -> None:
    """Nobody gets what cannot be initialised."""
    assert crypto_register_acomp(acomp("zz", "zz-py", init=lambda tfm: -ENODEV)) == 0
    assert crypto_alloc_acomp("zz") == ERR_PTR(-ELIBBAD)


def test_unregistered_behind_its_back(kernel: Kernel) -> None:
    """Somebody may have asked the layer to let go before."""
    alg = scomp("zz", "zz-py")
    assert crypto_register_scomp(alg) == 0
    with contextlib.suppress(acrypto.DeadlineExceeded):
        kernel.layer.unregister("zz-py", timeout=0)
    assert crypto_alloc_acomp("zz") == ERR_PTR(-ENOENT)
    assert crypto_unregister_alg(alg) == 0


def test_a_kernel_whose_layer_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    """Everything is -ESHUTDOWN, and nothing hangs."""
    with acrypto.open() as layer, boot(layer) as kernel:
        digest, rng = crypto_alloc_ahash("sha256"), crypto_alloc_rng("stdrng")
        layer.close()
        req = ahash_request_alloc(digest)
        ahash_request_set_crypt(req, b"x", bytearray(32), 1)
        assert crypto_ahash_digest(req) == -ESHUTDOWN
        assert crypto_rng_get_bytes(rng, bytearray(9), 9) == -ESHUTDOWN
        assert crypto_alloc_acomp("deflate") == ERR_PTR(-ESHUTDOWN)
        assert crypto_register_scomp(scomp("zz", "zz-py")) == -ESHUTDOWN
        assert "2025" in repr(kernel)
        assert "sha256" in repr(digest)


def test_many_register_at_once(kernel: Kernel) -> None:
    """Of many who register the same driver at once, one succeeds; different drivers do not disturb each other."""
    codes: list[int] = []
    barrier = threading.Barrier(6)

    def go(number: int) -> None:
        barrier.wait()
        codes.append(crypto_register_scomp(scomp("zz", f"zz-py{number % 2}")))

    threads = [threading.Thread(target=go, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [-EEXIST] * 4 + [0, 0]
    for number in range(2):
        assert round_trip(crypto_alloc_acomp(f"zz-py{number}")) == TEXT


def test_one_that_raises_is_told_once_and_not_blamed_for_sleeping(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(*_arguments: object) -> int:
        raise KeyError("own")

    alg = scomp("zz", "zz-raises", compress=raises)
    assert crypto_register_scomp(alg) == 0
    assert crypto_alloc_acomp("zz-raises") == ERR_PTR(-ELIBBAD)
    assert (alg.sleeps, alg.suspicions) == (0, 0)
    assert alg.raised > 0
    assert len([record for record in caplog.records if record.exc_info]) == 1


def test_an_interrupted_registration_leaves_the_name_free(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_engine: object) -> str:
        raise KeyboardInterrupt

    for make, register, unregister in (
        (scomp, crypto_register_scomp, crypto_unregister_scomp),
        (comp, crypto_register_alg, crypto_unregister_alg),
    ):
        alg = make("zz", "zz-again")
        with monkeypatch.context() as patched:
            patched.setattr("acrypto.layer.layer.Layer.register", lambda _layer, engine: interrupted(engine))
            with pytest.raises(KeyboardInterrupt):
                register(alg)
        assert register(alg) == 0
        assert unregister(alg) == 0


def test_a_legacy_one_that_failed_is_not_there(kernel: Kernel) -> None:
    alg = comp("zz", "zz-wrong", coa_decompress=lambda tfm, src, dst: 0)
    assert crypto_register_alg(alg) == 0
    assert not crypto_has_alg("zz-wrong")
    assert not crypto_has_alg("zz")
