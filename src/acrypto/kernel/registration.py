"""Registering implementations written in Python, and taking them back (crypto/algapi.c, scompress.c, acompress.c).

Registered ones are self-tested before anybody can find them. As in the kernel, registration returns 0 even if that
fails: the implementation is then listed as failed, and allocations of its driver name give `-ELIBBAD`.
"""

from __future__ import annotations

import logging

from acrypto.kernel import codec
from acrypto.kernel.adapter import Adapter
from acrypto.kernel.algs import AcompAlg, CompAlg, CryptoAlg, ScompAlg
from acrypto.kernel.context import current
from acrypto.kernel.errno import EEXIST, EINVAL, ENOENT, errname, errno_of
from acrypto.model.errors import AcryptoError, DeadlineExceeded, UnknownAlgorithm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from acrypto.kernel.context import Kernel

log = logging.getLogger("acrypto.kernel")

#: What a legacy compressor must bring back as it was: text that repeats, noise, a single byte.
PROBES = (b"Join us now and share the software " * 2, bytes(range(256)) * 3, bytes(4096), b"x")


def crypto_register_alg(alg: CryptoAlg) -> int:
    """Registers a legacy compressor. `-EEXIST` for a name in use, `-EINVAL`, `-ENAMETOOLONG` for what is wrong with it.

    Only `crypto_alloc_comp` finds it. Newer code registers scomp or acomp.
    """
    kernel = current()
    if not isinstance(alg, CompAlg):
        return -EINVAL
    with kernel.lock:
        err = _unfit(kernel, alg)
        if err:
            return err
        kernel.comps[alg.cra_driver_name] = alg
        reason = _selftest(alg)
        if reason:
            kernel.failed[alg.cra_driver_name] = reason
            log.error("%s (%s) failed its self-test and is hidden: %s", alg.cra_driver_name, alg.cra_name, reason)
    return 0


def crypto_unregister_alg(alg: CryptoAlg) -> int:
    """Takes an implementation out of lookup at once; transforms that use it go on. `-ENOENT` if there is none."""
    if not isinstance(alg, CompAlg):
        return _unregister(alg)
    kernel = current()
    with kernel.lock:
        if kernel.comps.get(alg.cra_driver_name) is not alg:
            return -ENOENT
        del kernel.comps[alg.cra_driver_name]
        kernel.failed.pop(alg.cra_driver_name, None)
    _warn_of_users(alg)
    return 0


def crypto_register_scomp(alg: CryptoAlg) -> int:
    """Registers a synchronous compressor, which `crypto_alloc_acomp` finds; returns as `crypto_register_alg` does."""
    return _register(alg) if isinstance(alg, ScompAlg) else -EINVAL


def crypto_register_acomp(alg: CryptoAlg) -> int:
    """Registers a compressor that works on requests; returns as `crypto_register_alg` does."""
    return _register(alg) if isinstance(alg, AcompAlg) else -EINVAL


def crypto_unregister_scomp(alg: ScompAlg) -> int:
    """Takes a synchronous compressor out of lookup at once; `-ENOENT` if it is not registered."""
    return _unregister(alg)


def crypto_unregister_acomp(alg: AcompAlg) -> int:
    """Takes a compressor out of lookup at once; `-ENOENT` if it is not registered."""
    return _unregister(alg)


def crypto_register_scomps(algs: Sequence[ScompAlg]) -> int:
    """Registers several, or none: at the first that is refused, those before it are taken back in reverse order."""
    done: list[ScompAlg] = []
    for alg in algs:
        err = crypto_register_scomp(alg)
        if err:
            crypto_unregister_scomps(done)
            return err
        done.append(alg)
    return 0


def crypto_register_acomps(algs: Sequence[AcompAlg]) -> int:
    """Registers several, or none; as `crypto_register_scomps`."""
    done: list[AcompAlg] = []
    for alg in algs:
        err = crypto_register_acomp(alg)
        if err:
            crypto_unregister_acomps(done)
            return err
        done.append(alg)
    return 0


def crypto_unregister_scomps(algs: Sequence[ScompAlg]) -> None:
    """Takes several out of lookup, the last one first."""
    for alg in reversed(algs):
        crypto_unregister_scomp(alg)


def crypto_unregister_acomps(algs: Sequence[AcompAlg]) -> None:
    """Takes several out of lookup, the last one first."""
    for alg in reversed(algs):
        crypto_unregister_acomp(alg)


def _unfit(kernel: Kernel, alg: CryptoAlg) -> int:
    err = alg.check()
    if err:
        return err
    taken = [(own.cra_name, own.cra_driver_name) for own in [*kernel.algs.values(), *kernel.comps.values()]]
    taken += [(row.algorithm, row.driver) for row in kernel.layer.offers() if row.driver not in kernel.algs]
    for name, driver in taken:
        if alg.cra_driver_name in {driver, name} or alg.cra_name == driver:
            return -EEXIST
    return 0


def _register(alg: ScompAlg | AcompAlg) -> int:
    kernel = current()
    with kernel.lock:
        err = _unfit(kernel, alg)
        if err:
            return err
        # Entered first: the name is taken while the self-test runs.
        kernel.algs[alg.cra_driver_name] = alg
    try:
        device = kernel.layer.register(Adapter(kernel, alg))
    except AcryptoError as error:
        with kernel.lock:
            del kernel.algs[alg.cra_driver_name]
        return errno_of(error)
    with kernel.lock:
        kernel.devices[alg.cra_driver_name] = device
        if len(kernel.devices) == 1:
            kernel.at_close(lambda: _unregister_all(kernel))
    return 0


def _unregister(alg: CryptoAlg, kernel: Kernel | None = None) -> int:
    kernel = kernel or current()
    driver = alg.cra_driver_name
    with kernel.lock:
        if kernel.algs.get(driver) is not alg or driver not in kernel.devices:
            return -ENOENT
        del kernel.algs[driver]
        device = kernel.devices.pop(driver)
    _warn_of_users(alg)
    try:
        kernel.layer.unregister(device, timeout=0)
    except DeadlineExceeded:
        log.warning("%s is unregistered while the layer still uses it", driver)
    except UnknownAlgorithm:
        pass  # the layer was asked before us
    if isinstance(alg, ScompAlg) and not alg.cra_refcnt:
        for ctx in kernel.drop_streams(driver):
            codec.free_context(alg, ctx)
    return 0


def _unregister_all(kernel: Kernel) -> None:
    for alg in reversed(list(kernel.algs.values())):
        if kernel.layer.is_open:
            _unregister(alg, kernel)


def _warn_of_users(alg: CryptoAlg) -> None:
    if alg.cra_refcnt:
        log.warning("%s is unregistered while %d transforms use it", alg.cra_driver_name, alg.cra_refcnt)


def _selftest(alg: CompAlg) -> str:
    """Why a legacy compressor is not to be trusted; empty if it is (crypto/testmgr.c)."""
    packed, back = bytearray(8192 + 512), bytearray(8192)
    for probe in PROBES:
        source = memoryview(probe)
        written = codec.of_comp(None, alg, source, memoryview(packed), compress=True)
        if not 0 <= written <= len(packed):
            return f"compressing {len(probe)} bytes gave {errname(written)}"
        back[:] = bytes(len(back))
        result = memoryview(packed).toreadonly()[:written]
        length = codec.of_comp(None, alg, result, memoryview(back), compress=False)
        if length != len(probe) or back[: max(length, 0)] != probe:
            return f"{len(probe)} bytes came back as others"
    return ""
