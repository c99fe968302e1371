"""The registry: offers entered, proven, published, looked up, made of others, and withdrawn.

What the kernel's crypto core does for its algorithms (crypto/api.c, algapi.c), for one layer. Looking up a
published name is the core's work and takes no lock here; everything in this file happens once per offer or on a miss:

- Offers are entered hidden, all or none, and published when their self-test has passed. Until then they are *larval*:
  whoever asks for a name that only a larval offer could serve waits for the verdict, at most `PATIENCE` seconds.
- A name that nobody offers is taken apart, and its template makes it of the best offers for its arguments. Of many who
  ask at once, one builds and the others wait.
- Wrappers (`cryptd`, `pcrypt`) keep their part's name and outbid it, but are parts of others only where they are named:
  how something is run is the outermost's affair.
- What was made of an offer is withdrawn when a stronger offer of the same name comes, so that the next allocation
  builds it anew over that; and before the offer itself is withdrawn. Transforms that exist go on as they are.
"""

from __future__ import annotations

import functools
import gc
import threading
import time

from acrypto import _core
from acrypto.model.errors import (
    AcryptoError,
    ClosedError,
    DeadlineExceeded,
    EngineError,
    NoEngine,
    UnknownAlgorithm,
    UsageError,
)
from acrypto.model.names import parse
from acrypto.model.offers import Offer
from acrypto.model.shapes import Shape
from acrypto.registry.admission import KNOWN, admit
from acrypto.registry.entry import FAILED, LARVAL, PASSED, UNPROVEN, Entry
from acrypto.registry.listing import OfferRow
from acrypto.registry.templates import HOSTS, TEMPLATE, TEMPLATES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from acrypto.engines.base import Engine
    from acrypto.registry.templates import Template
    from acrypto.registry.verdicts import Verdicts

#: Seconds that an allocation waits for somebody else's self-test, as in the kernel.
PATIENCE = 60.0
#: Seconds that all self-tests of one device may take; software takes tenths.
DEVICE_S = 10.0
#: Seconds after which who waits for users looks whether there are any left.
LOOK_S = 0.5

#: How often a composition is begun again when its parts change while it is made.
ATTEMPTS = 16

_TIMING = {True: "asynchronous", False: "synchronous"}


class Registry:
    """See the head of this file. Shareable between threads.

    Args:
        layer: the core's layer, whose offers these are.
        hosts: opens, or finds, the device that runs compositions of a sort (`template`, `cryptd`, `pcrypt`); its name.
        verdicts: self-tests that need not be repeated.
        log: told of each failed self-test.
        forget: lets go of transforms that the layer keeps for itself; called while somebody waits for users.
    """

    def __init__(
        self,
        layer: _core.Layer,
        hosts: Callable[[str], str],
        verdicts: Verdicts,
        log: Callable[[str], None],
        forget: Callable[[], None],
    ) -> None:
        self._native = layer
        self._hosts = hosts
        self._verdicts = verdicts
        self._log = log
        self._forget = forget
        self._changed = threading.Condition(threading.RLock())
        self._entries: dict[int, Entry] = {}
        self._engines: dict[str, str] = {}
        #: Names being built, and names of compositions that are called otherwise (`cryptd(gcm(aes))`).
        self._building: set[str] = set()
        self._aliases: dict[str, int] = {}
        #: Withdrawn by name, and perhaps still used.
        self._leaving: dict[int, Entry] = {}
        self.patience = PATIENCE

    def _must_be_ours(self) -> None:
        # Before any lock: in a forked child it may be held by a thread that is not there.
        if not self._native.is_ours:
            raise ClosedError("the layer was opened by the parent process; open a fresh one after a fork")

    # ---- Registration

    def register(
        self, device: str, engine: Engine, offers: Sequence[Offer], identity: str | None, *, runs_here: bool
    ) -> None:
        """Enters all offers of a device, or none; proves them; publishes those that pass.

        Args:
            device: the device's name.
            engine: its engine.
            offers: what it can do.
            identity: under what verdicts on it are remembered, if they are.
            runs_here: whether what it compiles may run on any thread, so that compositions of it need no host.

        Raises:
            UsageError: an offer is malformed, or its driver name is taken. Nothing was entered.
        """
        with self._changed:
            admit(engine.name, offers, {entry.offer.driver: entry.engine for entry in self._entries.values()})
            made = self._native.register(device, [_as_row(offer) for offer in offers])
            entries = [
                Entry(number, offer, device, engine.name, identity, runs_here=runs_here)
                for number, offer in zip(made, offers, strict=True)
            ]
            beside = self._native.lanes(device) > 1
            for entry in entries:
                entry.beside, entry.library = beside, engine.library
            self._entries.update((entry.id, entry) for entry in entries)
            self._engines[device] = engine.name
        if engine.selftest:
            until = time.monotonic() + DEVICE_S
            for entry in entries:
                self._prove(entry, until=until)
        else:
            for entry in entries:
                self._settle(entry, UNPROVEN)
        self._verdicts.save()

    # ---- Proof

    def _prove(self, entry: Entry, *, again: bool = False, until: float | None = None) -> None:
        """Runs the self-test of an offer, unless this build passed it before; at `until` its device's time is up."""
        offer = entry.offer
        key = self._verdicts.key(entry.identity, offer.driver, offer.algorithm)
        if not again and self._verdicts.has(key):
            self._settle(entry, PASSED)
            return
        # Verdicts of earlier processes make it rare that the tests are needed at all.
        from acrypto.registry.selftest import SelfTestFailed, Subject, prove

        reason, started = "", time.perf_counter()
        random = functools.partial(self._native.random_of, entry.id) if offer.kind == "random" else None
        try:
            if until is not None and time.monotonic() >= until:
                raise SelfTestFailed(f"the self-tests of this device took longer than {DEVICE_S:g} s together")
            entry.note = prove(Subject(offer, self._transforms(entry), self._reference(entry), random))
        except SelfTestFailed as failure:
            reason = str(failure)
        except ClosedError:
            self._settle(entry, FAILED, "the layer was closed meanwhile")
            raise
        except Exception as error:  # of an offer that is nonsense: it has failed, and nobody waits for it any more
            reason = f"{type(error).__name__}: {error}"
        except BaseException:  # Ctrl-C, say: nothing is known of it, and the next who asks may try again
            with self._changed:
                self._withdraw(entry)
                self._changed.notify_all()
            raise
        entry.seconds = time.perf_counter() - started
        if reason:
            self._log(f"{offer.driver} on {entry.device} failed its self-test and is hidden: {reason}")
            self._verdicts.forget(key)
            self._settle(entry, FAILED, reason)
        else:
            self._verdicts.add(key)
            self._settle(entry, PASSED)

    def _transforms(self, entry: Entry) -> Callable[..., _core.Transform]:
        return functools.partial(self._native.transform_of, entry.id)

    def _reference(self, entry: Entry) -> Callable[..., _core.Transform] | None:
        """The software engine's own transform of the same algorithm, to compare with."""
        with self._changed:
            entries = list(self._entries.values())
        for other in entries:
            if other.engine == "software" and other.offer.algorithm == entry.offer.algorithm and not other.parts:
                return None if other.engine == entry.engine and not entry.parts else self._transforms(other)
        return None

    def _settle(self, entry: Entry, state: str, reason: str = "") -> None:
        with self._changed:
            entry.state = state
            entry.reason = reason
            if entry.id in self._entries:
                if entry.is_visible:
                    self._native.publish(entry.id)
                    self._rebuild_over(entry)
                elif state == FAILED:
                    self._native.hide(entry.id)
            self._changed.notify_all()

    def _rebuild_over(self, stronger: Entry) -> None:
        """Withdraws what was made of weaker offers of the same name: the next allocation makes it of this one.

        And what a template made of that name itself: who does it in one pass wins, whatever the parts bid together.
        """
        if stronger.is_wrapper or stronger.beside:
            return  # it is nobody's part unless it is named
        for entry in list(self._entries.values()):
            is_same = entry.offer.algorithm == stronger.offer.algorithm and not stronger.parts
            if is_same and entry.parts and not entry.is_wrapper:
                self._withdraw(entry)
                continue
            weaker = (
                part.offer.algorithm == stronger.offer.algorithm and part.offer.priority < stronger.offer.priority
                for part in entry.parts
            )
            if any(weaker) and not stronger.is_made_of(entry):
                self._withdraw(entry)

    def prove_again(self) -> list[OfferRow]:
        """Runs every self-test, whatever is known of it; publishes and hides by the new verdicts."""
        self._must_be_ours()
        with self._changed:
            entries = [entry for entry in self._entries.values() if entry.state in {PASSED, FAILED}]
        for entry in entries:
            self._prove(entry, again=True)
        self._verdicts.save()
        return self.rows()

    def prove_device(self, device: str) -> list[str]:
        """Runs the self-tests of one device anew, before it is let in again; what failed, in words."""
        self._must_be_ours()
        with self._changed:
            own = [entry for entry in self._entries.values() if entry.device == device]
        until = time.monotonic() + DEVICE_S
        for entry in own:
            if entry.state in {PASSED, FAILED}:
                self._prove(entry, again=True, until=until)
        self._verdicts.save()
        return [f"{entry.offer.driver}: {entry.reason}" for entry in own if entry.state == FAILED]

    # ---- Lookup

    def find(self, name: str, *, kind: str | None = None, asynchronous: bool | None = None) -> OfferRow:
        """The offer that an allocation of `name` gets: a driver's exactly, else the best of an algorithm.

        Raises:
            UsageError: the name is malformed, or its parts cannot be combined so.
            UnknownAlgorithm, NoEngine: there is none, and none can be made.
            DeadlineExceeded: one is being tested, and that takes too long.
            EngineError: a part of it left while it was made; asking again may help.
        """
        self._must_be_ours()
        return self._row(self._find(name, kind, asynchronous))

    def _find(
        self, name: str, kind: str | None = None, asynchronous: bool | None = None, *, as_part: bool = False
    ) -> Entry:
        until = time.monotonic() + self.patience
        while True:
            with self._changed:
                found = self._best(name, kind, asynchronous, as_part=as_part)
                if found is not None and not self._needs_composition(found, name):
                    return found
                if self._is_coming(name):
                    if not self._changed.wait(until - time.monotonic()) and time.monotonic() >= until:
                        raise DeadlineExceeded(f"{name} is still being tested after {self.patience:g} seconds")
                    continue
                self._building.add(name)
            try:
                made = self._build(name)
            finally:
                with self._changed:
                    self._building.discard(name)
                    self._changed.notify_all()
            with self._changed:
                found = self._best(name, kind, asynchronous, as_part=as_part)
                if found is not None:
                    return found
                # Withdrawn already, for something stronger has come; or of another builder, who is not done: again.
                is_settled = made is None or (made.id in self._entries and made.state != LARVAL)
                if is_settled or time.monotonic() >= until:
                    raise self._missing(name, made, kind, asynchronous)

    def _needs_composition(self, found: Entry, name: str) -> bool:
        """Whether a template is to make, for single messages, what is offered for many at once only."""
        if not found.beside or found.offer.driver == name or parse(name).base not in TEMPLATES:
            return False
        return any(not entry.beside for entry in self._entries.values())

    def _is_coming(self, name: str) -> bool:
        """Whether somebody is testing, or making, what this name means."""
        alias = self._aliases.get(name)
        larval = (e for e in self._entries.values() if e.state == LARVAL and (e.answers(name) or e.id == alias))
        return name in self._building or any(larval)

    def _best(self, name: str, kind: str | None, asynchronous: bool | None, *, as_part: bool) -> Entry | None:
        visible = [entry for entry in self._entries.values() if entry.is_visible]
        alias = self._aliases.get(name)
        named = [e for e in visible if e.offer.driver == name] or [e for e in visible if e.id == alias]
        fitting = [
            entry
            for entry in named or [e for e in visible if e.offer.algorithm == name and not (as_part and e.is_wrapper)]
            if kind in {None, entry.offer.kind} and asynchronous in {None, entry.offer.asynchronous}
        ]
        # The oldest of equals, as the core has it.
        return max(fitting, key=lambda entry: (entry.offer.priority, -entry.id), default=None)

    def _missing(self, name: str, made: Entry | None, kind: str | None, asynchronous: bool | None) -> AcryptoError:
        with self._changed:
            entries = [entry for entry in self._entries.values() if entry.answers(name) or entry is made]
        failed = [f"{e.offer.driver} failed its self-test ({e.reason})" for e in entries if e.state == FAILED]
        others = [entry.offer.driver for entry in entries if entry.is_visible]
        if others:
            wanted = [word for word in (kind, None if asynchronous is None else _TIMING[asynchronous]) if word]
            return NoEngine(f"{name} is offered by {', '.join(others)}, but not as {' and '.join(wanted)}")
        if failed:
            return NoEngine(f"no device here offers {name}: {', '.join(failed)}")
        for absent, reason in _core.absent():
            if name == absent:
                return NoEngine(f"{name} is absent: {reason}")
        if name in KNOWN:
            return NoEngine(f"no device here offers {name}")
        return UnknownAlgorithm(f"no algorithm is called {name!r}")

    # ---- Templates

    def _build(self, name: str) -> Entry | None:
        """Makes what a name with brackets says, if there is a template for it; proves and publishes it.

        Raises:
            EngineError: its parts come and go too fast.
        """
        parsed = parse(name)
        template = TEMPLATES.get(parsed.base)
        if template is None or not parsed.args:
            return None
        if len(parsed.args) != template.arity:
            given = len(parsed.args)
            raise UsageError(f"{parsed.base} takes {template.arity} argument(s), and {name!r} gives {given}")
        for _ in range(ATTEMPTS):
            asked: list[tuple[str, Entry]] = []

            def part(inner: str, asked: list[tuple[str, Entry]] = asked) -> Offer:
                asked.append((inner, self._find(inner, as_part=True)))
                return asked[-1][1].offer

            offers = template.parts(parsed, part)
            order = {id(entry.offer): entry for _, entry in asked}
            parts = [order[id(offer)] for offer in offers]
            device = template.host or self._common_device(parts)
            runs_here = device not in HOSTS
            host = device if runs_here else self._hosts(device)
            offer = template.offer(parsed, offers)
            offer.asynchronous = not runs_here
            with self._changed:
                # One that failed is not made again and again: `prove_again` gives it another chance.
                existing = next((e for e in self._entries.values() if e.offer.driver == offer.driver), None)
                if existing is not None:
                    self._aliases[name] = existing.id
                    return existing
                if any(self._best(inner, None, None, as_part=True) is not entry for inner, entry in asked):
                    continue  # something stronger came meanwhile, or a part has left
                exact = self._best(name, None, None, as_part=False)
                if exact is not None and exact.beside and any(part.beside for part in parts):
                    return exact  # no better for single messages, then, and worse for many
                entry = self._compose(template, offer, host, parts, runs_here=runs_here)
                if entry is None:
                    continue
                if not entry.answers(name):
                    self._aliases[name] = entry.id
            self._prove(entry)
            self._verdicts.save()
            return entry
        raise EngineError(f"the parts of {name} come and go while it is made; asking again may help")

    def _compose(
        self, template: Template, offer: Offer, host: str, parts: list[Entry], *, runs_here: bool
    ) -> Entry | None:
        """Enters a composition, under the lock; None if a part has left."""
        holds_wrapper = template.renames and any(part.is_wrapper for part in parts)
        if template.renames:
            # Only who names a part, or what wraps one, wants that: the plain name goes to the plain thing.
            direct = [
                e.offer.priority
                for e in self._entries.values()
                if e.offer.algorithm == offer.algorithm and not e.parts and e.is_visible and not e.beside
            ]
            if direct:
                offer.priority = min(offer.priority, max(direct) - 1)
            if holds_wrapper:
                bids = [Offer(p.offer.algorithm, p.offer.driver, p.plain_priority) for p in parts]
                offer.priority = min(offer.priority, template.priority(bids) - 1)
        number = self._native.compose(host, _as_row(offer), template.base, [entry.id for entry in parts])
        if number is None:
            return None
        identities = [entry.identity for entry in parts]
        identity = None if None in identities else "+".join(sorted({str(identity) for identity in identities}))
        entry = Entry(number, offer, host, self._engine_of(host), identity, runs_here=runs_here)
        entry.parts = parts
        entry.is_wrapper = holds_wrapper or not template.renames
        self._entries[number] = entry
        return entry

    def _engine_of(self, device: str) -> str:
        return self._engines.get(device) or device.rstrip("0123456789")

    @staticmethod
    def _common_device(parts: list[Entry]) -> str:
        """The device that can run all parts in one go; else the one whose workers may wait for others."""
        devices = {entry.device for entry in parts}
        one = len(devices) == 1 and all(entry.runs_here for entry in parts)
        return devices.pop() if one else TEMPLATE

    # ---- Withdrawal

    def withdraw(self, name: str, timeout: float | None) -> None:
        """Takes a driver, or all that a device offers, out of lookup at once; then waits for those who use it.

        Raises:
            UnknownAlgorithm: there is neither a driver nor a device of that name.
            DeadlineExceeded: it is out of lookup, and still in use after `timeout` seconds.
        """
        self._must_be_ours()
        until = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            leaving = [e for e in self._entries.values() if name in {e.device, e.offer.driver}]
            for entry in leaving:
                self._leaving[entry.id] = entry
            leaving = [e for e in self._leaving.values() if name in {e.device, e.offer.driver}]
            if not leaving:
                raise UnknownAlgorithm(f"no driver and no device is called {name!r}")
            for entry in leaving:
                self._withdraw(entry)
            self._changed.notify_all()
        for entry in leaving:
            while not self._native.wait_free(entry.id, 0.0):
                # What nobody can use any more must not be waited for: transforms that the layer keeps, operations that
                # threads have not looked at since they ended, transforms in the frames of a traceback.
                self._forget()
                self._native.pinned()
                gc.collect()
                left = LOOK_S if until is None else min(until - time.monotonic(), LOOK_S)
                if self._native.wait_free(entry.id, max(left, 0.0)):
                    break
                if until is not None and time.monotonic() >= until:
                    message = f"{entry.offer.driver} has left, and is still used {timeout:g} seconds later"
                    raise DeadlineExceeded(message)
            with self._changed:
                self._leaving.pop(entry.id, None)
                if all(entry.device != e.device for e in [*self._entries.values(), *self._leaving.values()]):
                    self._engines.pop(entry.device, None)

    def _withdraw(self, entry: Entry) -> None:
        if self._entries.pop(entry.id, None) is None:
            return
        for other in list(self._entries.values()):
            if entry in other.parts:
                self._withdraw(other)
        self._native.withdraw(entry.id)
        entry.parts = []
        self._aliases = {name: number for name, number in self._aliases.items() if number != entry.id}

    # ---- Views

    def rows(self) -> list[OfferRow]:
        """Every offer, the failed ones too, oldest first."""
        self._must_be_ours()
        with self._changed:
            return [self._row(entry) for entry in self._entries.values()]

    def _row(self, entry: Entry) -> OfferRow:
        offer = entry.offer
        known = KNOWN.get(offer.algorithm) if entry.engine == "software" and not entry.parts else None
        return OfferRow(
            algorithm=offer.algorithm,
            driver=offer.driver,
            device=entry.device,
            engine=entry.engine,
            kind=offer.kind,
            priority=offer.priority,
            insecure=offer.insecure,
            asynchronous=offer.asynchronous,
            selftest=entry.state if entry.state in {PASSED, FAILED} else "unknown",
            reason=entry.reason or entry.note,
            seconds=entry.seconds,
            users=self._native.users(entry.id),
            shape=offer.shape or Shape(),
            limits=offer.limits,
            library=known["library"] if known else entry.library,
            id=entry.id,
        )


def _as_row(
    offer: Offer,
) -> tuple[str, str, str, int, bool, tuple[int, int, int, int], tuple[int, int, int, bool]]:
    """An offer as the core takes it."""
    shape = offer.shape or Shape()
    sizes = (shape.block, shape.digest, shape.nonce, shape.tag)
    limits = offer.limits.as_row()
    return (offer.algorithm, offer.kind, offer.driver, offer.priority, offer.insecure, sizes, limits)
