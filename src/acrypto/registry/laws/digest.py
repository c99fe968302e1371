"""Digests, checksums and MACs: the same message gives the same bytes however it comes, another gives others."""

from __future__ import annotations

from acrypto.model.errors import AuthenticationError
from acrypto.registry.laws.noise import flipped
from acrypto.registry.laws.sizes import sizes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto import _core
    from acrypto.registry.laws.trial import Start, Trial

#: A MAC's key, where any length is taken: shorter than a block, and longer than any.
MAC_KEYS = (20, 200)
#: How far a message that is cut at each of its bytes reaches into its second block.
BEYOND = 17


def digest(trial: Trial) -> None:
    """The laws of digests and checksums."""
    transform, judge = trial.made(), trial.judge()
    theirs = None if judge is None else judge.digest_many
    by_size = _sizes(trial, "digest", transform.digest, transform.digest_many, theirs)
    _handed_over(trial, "digest", transform.digest, transform.digest_many, *by_size)


def mac(trial: Trial) -> None:
    """The laws of MACs, under each sort of key."""
    shape = trial.subject.shape
    lengths = sorted({shape.min_key, shape.max_key}) if shape.min_key else list(MAC_KEYS)
    for length in lengths:
        key = trial.noise.draw(length)
        transform, judge = trial.made(key=key), trial.judge(key=key)
        theirs = None if judge is None else judge.mac_many
        is_first = length == lengths[0]
        by_size = _sizes(trial, "mac", transform.mac, transform.mac_many, theirs, is_short=not is_first)
        if is_first:
            _handed_over(trial, "mac", transform.mac, transform.mac_many, *by_size)
            _verify(trial, transform)
        _depends_on_key(trial, key, transform)
    if shape.min_key:
        wrong = {0, shape.min_key - 1, shape.max_key + 1}
        for length in sorted(wrong):
            trial.refuses_key(length, trial.noise.draw(length), lambda made: trial.wait("mac", made.mac, b"message"))


def _sizes(
    trial: Trial, what: str, start: Start, start_many: Start, theirs: Start | None, *, is_short: bool = False
) -> tuple[bytes, dict[int, bytes]]:
    """A message, and what comes of so many of its first bytes: of each size that matters."""
    noise, shape = trial.noise, trial.subject.shape
    block = _block(trial)
    edges = (0, 1, block - 1, block, block + 1, 4097)
    dense = [] if is_short else sizes(block, thorough=trial.thorough)
    wanted = sorted({*dense, *edges, *noise.sizes(12, 6000), block + BEYOND})
    message = noise.draw(wanted[-1])
    messages = [message[:size] for size in wanted]
    # One burst for all sizes: the law of order comes for free, and slow engines get one submission.
    given = [bytes(one) for one in trial.many(f"{what} of {len(messages)} messages", start_many, messages)]
    length = shape.digest or len(given[0])
    for size, one in zip(wanted, given, strict=True):
        trial.law(len(one) == length > 0, f"a {what} is {length} bytes", f"{size} bytes")
    if theirs is not None:
        right = theirs(messages).wait()
        for size, one, other in zip(wanted, given, right, strict=True):
            trial.law(one == other, "it gives what the software engine gives", f"{what} of {size} bytes")
    by_size = dict(zip(wanted, given, strict=True))
    for size in edges:
        one = trial.run(f"{what} of {size} bytes", start, message[:size])
        trial.law(one == by_size[size], "many give what one by one give, in order", f"{what} of {size} bytes")
    return message, by_size


def _block(trial: Trial) -> int:
    return max(trial.subject.shape.block, 64)


def _handed_over(
    trial: Trial, what: str, start: Start, start_many: Start, message: bytes, by_size: dict[int, bytes]
) -> None:
    block = _block(trial)
    one, more = message[:block], message[: block + BEYOND]
    _segments(trial, what, start, start_many, more, by_size)
    _each_byte(trial, what, start_many, more, by_size)
    case, right = f"{what} of {block} bytes", by_size[block]
    trial.fits(case, len(right), start, one, content=right)
    trial.beside(case, one, right, lambda data, into: start(data, into=into))


def _segments(
    trial: Trial, what: str, start: Start, start_many: Start, message: bytes, by_size: dict[int, bytes]
) -> None:
    """Cut at every byte, in single bytes, with empty ones between: it is one message."""
    law, size = "segments are one message", len(message)
    right = by_size[size]
    cuts = trial.many(
        f"{what} of two segments", start_many, [[message[:cut], message[cut:]] for cut in range(size + 1)]
    )
    for cut, one in enumerate(cuts):
        trial.law(one == right, law, f"{what} of {size} bytes cut at {cut}")
    single = [message[at : at + 1] for at in range(size)]
    for case, parts in (("single bytes", single), ("odd sizes", trial.noise.cuts(message)), ("a tuple", (message,))):
        one = trial.run(f"{what} of segments, {case}", start, parts)
        trial.law(one == right, law, f"{what} of {size} bytes in {case}")
    trial.law(trial.run(f"{what} of no segment", start, []) == by_size[0], law, f"{what} of no segment at all")


def _each_byte(trial: Trial, what: str, start_many: Start, message: bytes, by_size: dict[int, bytes]) -> None:
    """Changing a bit of any byte changes the result, so none is left out. A checksum tells one bit for certain."""
    size = len(message)
    given = trial.many(f"{what} of changed messages", start_many, [flipped(message, at) for at in range(size)])
    for at, one in enumerate(given):
        trial.law(one != by_size[size], "every byte counts", f"{what} of {size} bytes, byte {at}")


def _verify(trial: Trial, transform: _core.Transform) -> None:
    """The right tag passes; one changed anywhere, cut, longer, or of another message does not."""
    message = trial.noise.draw(77)
    tag = bytes(trial.run("mac of 77 bytes", transform.mac, message))
    trial.run("verify of the right tag", transform.verify, tag, message)
    trial.run("verify of segments", transform.verify, tag, trial.noise.cuts(message))
    law, error = "a wrong tag is refused", AuthenticationError
    for at in range(len(tag)):
        case = f"a tag changed at byte {at}"
        trial.refuses(error, law, case, transform.verify, flipped(tag, at), message)
    for case, wrong in (
        ("half a tag", tag[: len(tag) // 2]),
        ("a tag without its last byte", tag[:-1]),
        ("a tag and a byte", tag + b"\0"),
        ("no tag", b""),
        ("zeros", bytes(len(tag))),
    ):
        trial.refuses(error, law, case, transform.verify, wrong, message)
    for case, other in (
        ("a message changed in its last byte", flipped(message, 76)),
        ("a message without its last byte", message[:-1]),
        ("no message", b""),
    ):
        trial.refuses(error, "a tag belongs to one message", case, transform.verify, tag, other)


def _depends_on_key(trial: Trial, key: bytes, transform: _core.Transform) -> None:
    message = trial.noise.draw(77)
    tag = bytes(trial.run("mac of 77 bytes", transform.mac, message))
    for at in sorted({0, len(key) // 2, len(key) - 1}):
        other = trial.made(key=flipped(key, at))
        law, case = "a tag belongs to one key", f"a key of {len(key)} bytes changed at byte {at}"
        trial.law(trial.run(case, other.mac, message) != tag, law, case)
        trial.refuses(AuthenticationError, law, case, other.verify, tag, message)
