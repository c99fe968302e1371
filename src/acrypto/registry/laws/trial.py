"""One self-test on its way: asks the offer, watches the clock, and turns every deviation into one sentence."""

from __future__ import annotations

import time

from acrypto.model.errors import AcryptoError, ClosedError, CorruptInput, LimitExceeded, OutputTooSmall, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeAlias

    from acrypto import _core
    from acrypto.model.offers import Offer
    from acrypto.registry.laws.noise import Noise

    Start: TypeAlias = Callable[..., _core.Operation[Any]]
    Errors: TypeAlias = type[Exception] | tuple[type[Exception], ...]

#: Seconds after which one operation counts as hung.
OPERATION_S = 5.0
#: What lies on both sides of a caller's buffer, and in it before anything is written.
GUARD = b"\xa5" * 64
FILL = 0xA5
#: Most characters of an engine's own words in a reason.
WORDS = 200


class SelfTestFailed(Exception):
    """An offer broke a law; the text says which, and in what case. It holds no data, keys or tags."""


class Subject:
    """An offer to be proven.

    Args:
        offer: its kind and shape are known by now.
        transform: makes a transform that runs on this offer and no other, from parameters by name.
        reference: the same of the software engine, to compare with; None if there is none, or if this is it.
        random: of a random number generator, gives that many bytes; transforms have no such operation.
    """

    __slots__ = ("driver", "insecure", "kind", "name", "random", "reference", "shape", "transform")

    def __init__(
        self,
        offer: Offer,
        transform: Callable[..., _core.Transform],
        reference: Callable[..., _core.Transform] | None = None,
        random: Callable[[int], _core.Operation[bytes]] | None = None,
    ) -> None:
        from acrypto.model.shapes import Shape

        self.name = offer.algorithm
        self.kind = offer.kind
        self.driver = offer.driver
        self.insecure = offer.insecure
        self.shape = offer.shape or Shape()
        self.transform = transform
        self.reference = reference
        self.random = random


class Trial:
    """What the laws are written in.

    Args:
        subject: the offer.
        noise: where messages, keys and nonces come from.
        budget: seconds for everything together.
        thorough: whether to take larger messages as well.
    """

    __slots__ = ("_budget", "_deadline", "noise", "subject", "thorough")

    def __init__(self, subject: Subject, noise: Noise, *, budget: float, thorough: bool) -> None:
        self.subject = subject
        self.noise = noise
        self.thorough = thorough
        self._budget = budget
        self._deadline = time.monotonic() + budget

    # ---- Asking

    def made(self, **params: object) -> _core.Transform:
        """The offer's transform; making it must succeed."""
        try:
            return self.subject.transform(**params)
        except ClosedError:
            raise
        except Exception as error:
            raise SelfTestFailed(f"a transform can be made: {self._case('with right parameters', error)}") from error

    def made_or_declined(self, **params: object) -> _core.Transform | None:
        """The offer's transform, or None if these parameters are not for it: hardware has no levels."""
        try:
            return self.subject.transform(**params)
        except UsageError:
            return None

    def judge(self, **params: object) -> _core.Transform | None:
        """The software engine's transform, if there is one to compare with."""
        return None if self.subject.reference is None else self.subject.reference(**params)

    def wait(self, case: str, start: Start, *arguments: object, **options: object) -> Any:
        """The result, or what was raised; an operation that does not end is a failure."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise SelfTestFailed(f"self-test took longer than {self._budget:g} s")
        operation = start(*arguments, **options)
        patience = min(left, OPERATION_S)
        try:
            return operation.wait(patience)
        except TimeoutError as error:
            if operation.done():
                raise
            operation.cancel()
            if left < OPERATION_S:
                raise SelfTestFailed(f"self-test took longer than {self._budget:g} s") from error
            raise SelfTestFailed(f"every operation ends: {case} did not within {OPERATION_S:g} s") from error
        finally:
            # It keeps what it raised, whose traceback keeps this frame: the transform would seem in use for long.
            del operation

    def run(self, case: str, start: Start, *arguments: object, **options: object) -> Any:
        """The result of what must succeed."""
        try:
            return self.wait(case, start, *arguments, **options)
        except (SelfTestFailed, ClosedError):
            raise
        except Exception as error:
            raise SelfTestFailed(f"what is right is done: {self._case(case, error)}") from error

    def many(self, case: str, start: Start, *arguments: Sequence[object], **options: object) -> list[Any]:
        """The results of many units, of which none may fail."""
        results = self.run(case, start, *arguments, **options)
        wanted = len(arguments[0])
        if not isinstance(results, list) or len(results) != wanted:
            raise SelfTestFailed(f"many give one result each: {case} gave another number than {wanted}")
        return results

    # ---- Judging

    def law(self, holds: object, law: str, case: str) -> None:
        """Fails the offer unless the law holds."""
        if not holds:
            raise SelfTestFailed(f"{law}: broken for {case}")

    def refuses(self, errors: Errors, law: str, case: str, start: Start, *arguments: object, **options: object) -> None:
        """Fails the offer unless this raises one of these errors."""
        try:
            self.wait(case, start, *arguments, **options)
        except (SelfTestFailed, ClosedError):
            raise
        except errors:
            return
        except Exception as error:
            raise SelfTestFailed(f"{law}: {self._case(case, error)}") from error
        raise SelfTestFailed(f"{law}: {case} raised nothing")

    def harmless(self, case: str, start: Start, data: bytes, into: memoryview) -> None:
        """Whatever comes of damaged input, it is an error for that, or bytes that fit."""
        try:
            written = self.wait(case, start, data, into=into)
        except (SelfTestFailed, ClosedError):
            raise
        except (CorruptInput, LimitExceeded, OutputTooSmall):
            return
        except Exception as error:
            raise SelfTestFailed(f"damaged input is corrupt or harmless: {self._case(case, error)}") from error
        self.law(written <= len(into), "damaged input is corrupt or harmless", case)

    def all_refused(self, error: type[Exception], law: str, cases: Iterable[str], results: Sequence[object]) -> None:
        """Fails the offer unless each result of a batch is this error."""
        for case, result in zip(cases, results, strict=True):
            if not isinstance(result, error):
                what = type(result).__name__ if isinstance(result, Exception) else "nothing"
                raise SelfTestFailed(f"{law}: {case} raised {what}")

    def refuses_key(self, size: int, key: bytes, use: Callable[[_core.Transform], object]) -> None:
        """A key of a wrong length is told when the transform is made, or at the latest by the first operation."""
        try:
            use(self.subject.transform(key=key))
        except (SelfTestFailed, ClosedError):
            raise
        except UsageError:
            return
        except Exception as error:
            raise SelfTestFailed(f"a key of a wrong length is refused: {self._case(f'{size} bytes', error)}") from error
        raise SelfTestFailed(f"a key of a wrong length is refused: {size} bytes raised nothing")

    def fits(self, case: str, expected: int, start: Start, *arguments: object, content: bytes | None = None) -> None:
        """Exactly enough room is enough, too little is refused, and nothing outside is touched either way."""
        for room in sorted({expected, max(expected - 1, 0), 0}):
            memory = bytearray(GUARD + bytes([FILL]) * room + GUARD)
            with memoryview(memory)[len(GUARD) : len(GUARD) + room] as into:
                here = f"{case} into {room} bytes"
                if room < expected:
                    self.refuses(OutputTooSmall, "too little room is told", here, start, *arguments, into=into)
                else:
                    written = self.run(here, start, *arguments, into=into)
                    self.law(written == expected, "a result that fits exactly is written and its length told", here)
                    self.law(content is None or into == content, "a result is the same in the caller's memory", here)
            whole = memory[: len(GUARD)] == GUARD == memory[len(GUARD) + room :]
            self.law(whole, "nothing outside the caller's memory is touched", here)

    def beside(self, case: str, message: bytes, result: bytes, start: Callable[..., _core.Operation[Any]]) -> None:
        """In place: memory that overlaps the source is refused, the memory right behind it is right, the source stays.

        Args:
            case: of the message.
            message: to be worked on.
            result: what must come of it.
            start: takes the message and `into`.
        """
        memory = bytearray(message + bytes([FILL]) * len(result))
        with memoryview(memory) as whole, whole[: len(message)] as source, whole[len(message) :] as behind:
            if message:
                law = "memory in which the source lies is refused"
                self.refuses(BufferError, law, case, start, source, into=whole)
            written = self.run(case, start, source, into=behind)
            same = written == len(result) and behind == result
            self.law(same, "a result may lie right behind its source", case)
            self.law(source == message, "a source is left as it is", case)

    def _case(self, case: str, error: Exception) -> str:
        words = str(error) if isinstance(error, AcryptoError) else ""
        shown = f", {words[:WORDS]}" if words.isprintable() and words else ""
        return f"{case} raised {type(error).__name__}{shown}"
