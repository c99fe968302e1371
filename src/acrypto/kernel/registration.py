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
from acrypto.kernel.errno import EEXIST, EINVAL, ENOENT, errno_of
from acrypto.model.errors import AcryptoError, DeadlineExceeded, UnknownAlgorithm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from acrypto.kernel.context import Kernel
    from acrypto.layer.layer import Layer

log = logging.getLogger("acrypto.kernel")


def crypto_register_alg(alg: CryptoAlg) -> int:
    """Registers a legacy compressor. `-EEXIST` for a name in use, `-EINVAL`, `-ENAMETOOLONG` for what is wrong with it.

    Only `crypto_alloc_comp` finds it. Newer code registers scomp or acomp.
    """
    return _register(alg) if isinstance(alg, CompAlg) else -EINVAL


def crypto_unregister_alg(alg: CryptoAlg) -> int:
    """Takes an implementation out of lookup at once; transforms that use it go on. `-ENOENT` if there is none."""
    return _unregister(alg)


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


def _register(alg: CompAlg | ScompAlg | AcompAlg) -> int:
    kernel = current()
    with kernel.lock:
        err = _unfit(kernel, alg)
        if err:
            return err
        # Entered first: the name is taken while the self-test runs.
        _table(kernel, alg)[alg.cra_driver_name] = alg
    try:
        device = _layer(kernel, alg).register(Adapter(kernel, alg))
    except BaseException as error:
        with kernel.lock:
            del _table(kernel, alg)[alg.cra_driver_name]
        if isinstance(error, AcryptoError):
            return errno_of(error)
        raise
    with kernel.lock:
        kernel.devices[alg.cra_driver_name] = device
        if len(kernel.devices) == 1:
            kernel.at_close(lambda: _unregister_all(kernel))
    return 0


def _table(kernel: Kernel, alg: CryptoAlg) -> dict[str, Any]:
    return kernel.comps if isinstance(alg, CompAlg) else kernel.algs


def _layer(kernel: Kernel, alg: CryptoAlg) -> Layer:
    return kernel.legacy if isinstance(alg, CompAlg) else kernel.layer


def _unregister(alg: CryptoAlg, kernel: Kernel | None = None) -> int:
    kernel = kernel or current()
    driver, table = alg.cra_driver_name, _table(kernel, alg)
    with kernel.lock:
        if table.get(driver) is not alg or driver not in kernel.devices:
            return -ENOENT
        del table[driver]
        device = kernel.devices.pop(driver)
    _warn_of_users(alg)
    try:
        _layer(kernel, alg).unregister(device, timeout=0)
    except DeadlineExceeded:
        log.warning("%s is unregistered while the layer still uses it", driver)
    except UnknownAlgorithm:
        pass  # the layer was asked before us
    if isinstance(alg, ScompAlg) and not alg.cra_refcnt:
        for ctx in kernel.drop_streams(driver):
            codec.free_context(alg, ctx)
    return 0


def _unregister_all(kernel: Kernel) -> None:
    for alg in reversed([*kernel.comps.values(), *kernel.algs.values()]):
        if _layer(kernel, alg).is_open:
            _unregister(alg, kernel)


def _warn_of_users(alg: CryptoAlg) -> None:
    if alg.cra_refcnt:
        log.warning("%s is unregistered while %d transforms use it", alg.cra_driver_name, alg.cra_refcnt)
