"""Codecs: what was compressed decompresses to itself, others read it, and no input does harm."""

from __future__ import annotations

from acrypto.model.errors import AcryptoError, CorruptInput, LimitExceeded
from acrypto.registry.known_answers.index import answers
from acrypto.registry.laws.noise import flipped, text
from acrypto.registry.laws.sizes import EDGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto import _core
    from acrypto.registry.laws.trial import Trial

#: Formats that tell where they end; a bare LZ4 block does not, nor does what we do not know.
FRAMED = ("deflate", "deflate-canned", "zlib", "zlib-deflate", "gzip", "bgzf", "zstd", "lz4")
#: Formats with a checksum of the content, in the known answers.
CHECKED = ("zlib", "zlib-deflate", "gzip", "bgzf", "zstd", "lz4")
#: Levels that each of these has: its fast and its slow way.
LEVELS = dict.fromkeys(("deflate", "zlib", "bgzf", "zstd", "lz4", "lz4-block"), (1, 9)) | {"gzip": (0, 9)}
#: Every size up to this.
DENSE = 70
#: Distances just within, and beyond, the windows of deflate and lz4.
WINDOW_32K, WINDOW_64K = 32_768, 65_535
BOMB = 100_000


def compression(trial: Trial) -> None:
    """The laws of codecs."""
    transform, judge = trial.made(), trial.judge()
    _small(trial, transform, judge)
    _large(trial, transform, judge)
    _levels(trial)
    _handed_over(trial, transform)
    _limits(trial, transform)
    _damage(trial, transform)


def _back(trial: Trial, what: str, transform: _core.Transform, packed: list[bytes], messages: list[bytes]) -> None:
    opened = trial.many(f"decompress of {what}", transform.decompress_many, packed)
    for message, one in zip(messages, opened, strict=True):
        trial.law(one == message, "what was compressed is itself again", f"{what}, {len(message)} bytes")


def _small(trial: Trial, transform: _core.Transform, judge: _core.Transform | None) -> None:
    """Every small size, and around edges: text, and the same number of random bytes."""
    noise = trial.noise
    wanted = [*range(DENSE), *(edge + off for edge in EDGES[:-1] for off in (-1, 0, 1)), *noise.sizes(6, 3000)]
    for what, source in (("text", text(max(wanted))), ("random bytes", noise.draw(max(wanted)))):
        short = wanted if what == "text" else wanted[:DENSE:5] + wanted[DENSE::3]
        messages = [source[:size] for size in short]
        packed = [bytes(one) for one in trial.many(f"compress of {what}", transform.compress_many, messages)]
        _back(trial, what, transform, packed, messages)
        if judge is not None:
            _with_judge(trial, what, transform, judge, packed, messages)
    for at in (0, 1, DENSE - 1):
        size = wanted[at]
        one = bytes(trial.run(f"compress of {size} bytes", transform.compress, text(size)))
        again = trial.run(f"decompress of {size} bytes", transform.decompress, one)
        trial.law(again == text(size), "what was compressed is itself again", f"text one by one, {size} bytes")


def _with_judge(
    trial: Trial,
    what: str,
    transform: _core.Transform,
    judge: _core.Transform,
    packed: list[bytes],
    messages: list[bytes],
) -> None:
    theirs = judge.decompress_many(packed, return_exceptions=True).wait()
    for message, one in zip(messages, theirs, strict=True):
        trial.law(one == message, "others read what it compressed", f"{what}, {len(message)} bytes")
    others = [bytes(one) for one in judge.compress_many(messages).wait()]
    _back(trial, f"{what} that others compressed", transform, others, messages)


def _large(trial: Trial, transform: _core.Transform, judge: _core.Transform | None) -> None:
    """One message of each character, all beyond the windows of 32 KiB and 64 KiB."""
    noise = trial.noise
    mark = noise.draw(300)
    apart = mark + text(WINDOW_32K - 300) + mark + text(WINDOW_64K - WINDOW_32K - 300) + mark + text(5000) + mark
    runs = b"".join(bytes([at]) * (at * 37 + 1) for at in noise.draw(12))
    characters = {
        "matches a window apart": apart,
        "zeros": bytes(70_001),
        "long runs": runs,
        "random bytes": noise.draw(70_003),
        "text, random bytes and zeros": (text(3000) + noise.draw(3000) + bytes(3000)) * 2,
    }
    if trial.thorough:
        characters["much text"] = text(1 << 20)
        characters["much of everything"] = (text(100_000) + noise.draw(100_000) + bytes(100_000)) * 4
    for what, message in characters.items():
        packed = bytes(trial.run(f"compress of {what}", transform.compress, message))
        again = trial.run(f"decompress of {what}", transform.decompress, packed)
        trial.law(again == message, "what was compressed is itself again", f"{what}, {len(message)} bytes")
        if judge is not None:
            _with_judge(trial, what, transform, judge, [packed], [message])


def _levels(trial: Trial) -> None:
    for level in LEVELS.get(trial.subject.name, ()):
        message, transform = text(6000), trial.made_or_declined(level=level)
        if transform is None:
            continue
        packed = bytes(trial.run(f"compress at level {level}", transform.compress, message))
        _back(trial, f"text at level {level}", transform, [packed], [message])


def _handed_over(trial: Trial, transform: _core.Transform) -> None:
    """Segments, memory of the caller's, just enough and too little of it."""
    noise, message = trial.noise, text(500) + trial.noise.draw(100)
    packed = bytes(trial.run("compress of 600 bytes", transform.compress, message))
    for parts in (noise.cuts(message), [message[at : at + 1] for at in range(len(message))]):
        one = bytes(trial.run("compress of segments", transform.compress, parts))
        again = trial.run("decompress of what was segments", transform.decompress, one)
        trial.law(again == message, "segments are one message", "compress of 600 bytes in odd segments")
    cuts = [[packed[:cut], packed[cut:]] for cut in range(0, len(packed) + 1, 7)]
    for one in trial.many("decompress of segments", transform.decompress_many, cuts):
        trial.law(one == message, "segments are one message", "decompress in two segments")
    for parts in (noise.cuts(packed), [packed[at : at + 1] for at in range(len(packed))]):
        again = trial.run("decompress of segments", transform.decompress, parts)
        trial.law(again == message, "segments are one message", "decompress in odd segments")
    trial.fits("compress of 600 bytes", len(packed), transform.compress, message, content=packed)
    trial.fits("decompress to 600 bytes", len(message), transform.decompress, packed, content=message)
    trial.beside("decompress", packed, message, lambda data, into: transform.decompress(data, into=into))
    trial.beside("compress", message, packed, lambda data, into: transform.compress(data, into=into))


def _limits(trial: Trial, transform: _core.Transform) -> None:
    """`max_output` is a wall: exactly that much passes, one byte more does not."""
    bomb = bytes(trial.run("compress of zeros", transform.compress, bytes(BOMB)))
    law = "max_output is a limit"
    for limit in (0, 1000, BOMB - 1):
        case = f"{BOMB} zeros with a limit of {limit}"
        trial.refuses(LimitExceeded, law, case, transform.decompress, bomb, max_output=limit)
    again = trial.run(f"decompress of {BOMB} zeros", transform.decompress, bomb, max_output=BOMB)
    trial.law(again == bytes(BOMB), law, f"{BOMB} zeros with a limit of {BOMB}")


def _damage(trial: Trial, transform: _core.Transform) -> None:
    """Damaged input is told where the format can tell it; elsewhere it ends in bytes within the limit, never worse."""
    name = trial.subject.name
    message = text(200) + trial.noise.draw(60)
    own = bytes(trial.run("compress of 260 bytes", transform.compress, message))
    inputs = [(own, message)] + [(a.arguments[0], a.expected) for a in answers(name, "compression")[:1]]
    for frame, content in inputs:
        cut = [frame[:at] for at in range(0, len(frame), 1 + len(frame) // 64)]
        changed = [flipped(frame, at) for at in range(0, len(frame), 1 + len(frame) // 96)]
        longer = [frame + b"\xff" * 9]
        given = trial.many(
            "decompress of damaged input",
            transform.decompress_many,
            [*cut, *changed, *longer],
            return_exceptions=True,
            max_output=BOMB,
        )
        told, law = (CorruptInput, LimitExceeded), "damage is told"
        for number, one in enumerate(given):
            honest = isinstance(one, told) or (not isinstance(one, Exception) and len(one) <= BOMB)
            what = type(one).__name__ if isinstance(one, AcryptoError) else "something else"
            trial.law(honest, "damaged input is corrupt or harmless", f"damage number {number}, which raised {what}")
        if name in FRAMED:
            for number, one in enumerate([*given[: len(cut)], given[-1]]):
                trial.law(isinstance(one, CorruptInput), law, f"input cut or extended, number {number}")
        if name in CHECKED and frame is not own:
            for at, one in enumerate(given[len(cut) : -1]):
                # A field without meaning may change.
                trial.law(isinstance(one, told) or one == content, law, f"a known answer changed at place {at}")
    into = bytearray(b"\xa5" * 400)
    with memoryview(into)[:200] as room:
        for at in (0, len(own) // 2, len(own) - 1):
            trial.harmless(f"decompress of input changed at byte {at}", transform.decompress, flipped(own, at), room)
    trial.law(into[200:] == b"\xa5" * 200, "nothing outside the caller's memory is touched", "damaged input")
