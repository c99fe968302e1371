"""Authenticated encryption: what was sealed opens, and nothing else does, and nothing of that is released."""

from __future__ import annotations

from acrypto.model.errors import AuthenticationError, UsageError
from acrypto.registry.laws.noise import flipped
from acrypto.registry.laws.recipe import Recipe
from acrypto.registry.laws.sizes import sizes
from acrypto.registry.laws.trial import FILL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto import _core
    from acrypto.registry.laws.trial import Trial

#: The size of the message whose box is tampered with at every byte.
TAMPERED = 37


def aead(trial: Trial) -> None:
    """The laws of AEADs, under a key of each length."""
    shape = trial.subject.shape
    trial.law(shape, "a new algorithm's offer tells its sizes", "its keys, nonces and tags")
    recipe = Recipe(trial.subject.name, shape)
    for number, key in enumerate(recipe.keys(trial.noise)):
        transform, judge = trial.made(key=key), trial.judge(key=key)
        _round_trips(trial, recipe, transform, judge, is_short=number > 0)
        if number == 0:
            _forgeries(trial, recipe, transform, recipe.tag)
            _nothing_released(trial, recipe, transform)
            _depends(trial, recipe, key, transform)
            _segments(trial, recipe, transform)
            _refusals(trial, recipe, transform)
    if recipe.short_tag:
        _forgeries(trial, recipe, trial.made(key=key, tag_len=recipe.short_tag), recipe.short_tag)
    for wrong in recipe.wrong_keys(trial.noise):
        trial.refuses_key(
            len(wrong), wrong, lambda made: trial.wait("encrypt", made.encrypt, *_message(trial, recipe, 32))
        )


def _message(trial: Trial, recipe: Recipe, size: int) -> tuple[bytes, bytes, bytes]:
    """A nonce, a message and additional data."""
    nonce = recipe.draw_nonce(trial.noise)
    size = max(size // recipe.unit * recipe.unit, recipe.least)
    return nonce, trial.noise.draw(size), _ad(trial, recipe, nonce, recipe.ads[-1])


def _ad(trial: Trial, recipe: Recipe, nonce: bytes, size: int) -> bytes:
    """Additional data; where its end is replaced, that is the nonce."""
    return trial.noise.draw(size - recipe.loose_ad) + nonce[: recipe.loose_ad]


def _seal(trial: Trial, transform: _core.Transform, message: tuple[bytes, bytes, bytes]) -> bytes:
    return bytes(trial.run(f"encrypt of {len(message[1])} bytes", transform.encrypt, *message))


def _for_opening(recipe: Recipe, nonce: bytes) -> bytes:
    return b"" if recipe.prefix else nonce


def _round_trips(
    trial: Trial, recipe: Recipe, transform: _core.Transform, judge: _core.Transform | None, *, is_short: bool
) -> None:
    noise, block = trial.noise, max(trial.subject.shape.block, 16)
    wanted = sizes(
        block,
        unit=recipe.unit,
        least=recipe.least,
        thorough=trial.thorough and not is_short,
        past_windows=not is_short,
    )
    if is_short:
        wanted = [size for size in wanted if size <= 1024]
    wanted += [size // recipe.unit * recipe.unit for size in noise.sizes(8, 3000) if size >= recipe.least]
    messages = [noise.draw(size) for size in wanted]
    nonces = [recipe.draw_nonce(noise) for _ in wanted]
    lengths = [recipe.ads[at % len(recipe.ads)] for at in range(len(wanted))]
    ads = [_ad(trial, recipe, nonce, length) for nonce, length in zip(nonces, lengths, strict=True)]
    boxes = [bytes(one) for one in trial.many("encrypt of many", transform.encrypt_many, nonces, messages, ads)]
    for message, box in zip(messages, boxes, strict=True):
        law = "a box is as long as message and tag"
        trial.law(len(box) == recipe.box(len(message)), law, f"{len(message)} bytes")
    opening = [_for_opening(recipe, nonce) for nonce in nonces]
    if judge is not None:
        _like_the_judge(trial, recipe, transform, judge, (nonces, messages, ads), boxes)
    opened = trial.many("decrypt of many", transform.decrypt_many, opening, boxes, ads)
    for message, one in zip(messages, opened, strict=True):
        trial.law(one == message, "what was sealed is opened", f"{len(message)} bytes")
    if is_short:
        return
    for at in {0, 1, len(wanted) // 3, len(wanted) - 1}:
        case = f"{wanted[at]} bytes, {lengths[at]} additional"
        one = trial.run(f"encrypt of {case}", transform.encrypt, nonces[at], messages[at], ads[at])
        trial.law(one == boxes[at], "many give what one by one give, in order", f"encrypt of {case}")
        one = trial.run(f"decrypt of {case}", transform.decrypt, opening[at], boxes[at], ads[at])
        trial.law(one == messages[at], "many give what one by one give, in order", f"decrypt of {case}")
    for size in {0, 3 * block}:
        if size in wanted:
            at = wanted.index(size)
            box, arguments = boxes[at], (nonces[at], messages[at], ads[at])
            trial.fits(f"encrypt of {size} bytes", len(box), transform.encrypt, *arguments, content=box)
            arguments = (opening[at], box, ads[at])
            trial.fits(f"decrypt of {size} bytes", size, transform.decrypt, *arguments, content=messages[at])


def _like_the_judge(
    trial: Trial,
    recipe: Recipe,
    transform: _core.Transform,
    judge: _core.Transform,
    arguments: tuple[list[bytes], list[bytes], list[bytes]],
    boxes: list[bytes],
) -> None:
    nonces, messages, ads = arguments
    law, opening = "it gives what the software engine gives", [_for_opening(recipe, nonce) for nonce in nonces]
    right = [bytes(box) for box in judge.encrypt_many(nonces, messages, ads).wait()]
    if not recipe.prefix:  # an IV that travels is salted, by each transform in its own way
        for message, box, other in zip(messages, boxes, right, strict=True):
            trial.law(box == other, law, f"encrypt of {len(message)} bytes")
    theirs = judge.decrypt_many(opening, boxes, ads, return_exceptions=True).wait()
    ours = trial.many("decrypt of the software engine's boxes", transform.decrypt_many, opening, right, ads)
    for message, one, other in zip(messages, theirs, ours, strict=True):
        trial.law(one == message == other, "each opens what the other sealed", f"{len(message)} bytes")


def _forgeries(trial: Trial, recipe: Recipe, transform: _core.Transform, tag: int) -> None:
    """Every byte of box, nonce and additional data changed, and every shorter box: none of them opens."""
    nonce, message, ad = _message(trial, recipe, TAMPERED)
    box = _seal(trial, transform, (nonce, message, ad))
    law = "a box is as long as message and tag"
    trial.law(len(box) == recipe.prefix + len(message) + tag, law, f"{len(message)} bytes, a tag of {tag}")
    given = _for_opening(recipe, nonce)
    cases, nonces, boxes, ads = [], [], [], []

    def forge(case: str, *, nonce: bytes = given, box: bytes = box, ad: bytes = ad) -> None:
        cases.append(case)
        nonces.append(nonce)
        boxes.append(box)
        ads.append(ad)

    for at in range(len(box)):
        forge(f"a box changed at byte {at} of {len(box)}", box=flipped(box, at))
    odd = [*(box[:at] for at in range(len(box))), box + b"\0"]
    for other in odd:
        if recipe.unit == 1 and not recipe.least:
            forge(f"a box of {len(other)} bytes instead of {len(box)}", box=other)
    for at in range(len(ad) - recipe.loose_ad):
        forge(f"additional data changed at byte {at} of {len(ad)}", ad=flipped(ad, at))
    for length in recipe.ads:
        if length != len(ad):
            other = _ad(trial, recipe, nonce, length)
            forge(f"additional data of {length} bytes instead of {len(ad)}", ad=other)
    if recipe.binds_nonce:
        for at in range(len(given)):
            forge(f"a nonce changed at byte {at} of {len(given)}", nonce=flipped(given, at))
    results = trial.many(
        f"decrypt of {len(cases)} forgeries", transform.decrypt_many, nonces, boxes, ads, return_exceptions=True
    )
    law = "a forgery is refused"
    trial.all_refused(AuthenticationError, law, cases, results)
    if recipe.unit > 1 or recipe.least:
        # Where sizes have rules, one that cannot be may be told by its own name, which refuses a whole batch.
        for other in odd[:: max(len(odd) // 12, 1)] + odd[-2:]:
            case = f"a box of {len(other)} bytes instead of {len(box)}"
            trial.refuses((AuthenticationError, UsageError), law, case, transform.decrypt, given, other, ad)
    one = trial.run("decrypt among forgeries", transform.decrypt, given, box, ad)
    trial.law(one == message, "a forgery harms no other box", f"{len(message)} bytes")


def _nothing_released(trial: Trial, recipe: Recipe, transform: _core.Transform) -> None:
    """After a failed open the caller's memory is as it was, or wiped."""
    law = "nothing of a failed open is released"
    for size in (48, 4096):
        nonce, message, ad = _message(trial, recipe, size)
        box = _seal(trial, transform, (nonce, message, ad))
        for at in sorted({0, recipe.prefix + len(message) // 2, len(box) - 1}):
            case = f"a box of {len(box)} bytes changed at byte {at}"
            memory = bytearray([FILL]) * len(message)
            trial.refuses(
                AuthenticationError,
                "a forgery is refused",
                case,
                transform.decrypt,
                _for_opening(recipe, nonce),
                flipped(box, at),
                ad,
                into=memory,
            )
            trial.law({*memory} <= {0, FILL}, law, case)


def _depends(trial: Trial, recipe: Recipe, key: bytes, transform: _core.Transform) -> None:
    """Another key opens nothing; the message is hidden to its last byte."""
    nonce, message, ad = _message(trial, recipe, TAMPERED)
    box = _seal(trial, transform, (nonce, message, ad))
    for at in recipe.telling(key):
        law, case = "a box opens with its key only", f"byte {at} of a key of {len(key)} bytes changed"
        other = trial.made(key=flipped(key, at))
        trial.refuses(AuthenticationError, law, case, other.decrypt, _for_opening(recipe, nonce), box, ad)
    if recipe.hides:
        size = len(message)
        nonces = [recipe.draw_nonce(trial.noise) for _ in range(16)]
        messages = [trial.noise.draw(size) for _ in nonces]
        ads = [_ad(trial, recipe, each, recipe.ads[0]) for each in nonces]
        boxes = trial.many("encrypt of many", transform.encrypt_many, nonces, messages, ads)
        for at in range(size):
            shown = all(bytes(box)[recipe.prefix + at] == each[at] for box, each in zip(boxes, messages, strict=True))
            trial.law(not shown, "every byte of the message is hidden", f"byte {at} of {size}")


def _segments(trial: Trial, recipe: Recipe, transform: _core.Transform) -> None:
    law = "segments are one message"
    nonce, message, ad = _message(trial, recipe, 67)
    given, box = _for_opening(recipe, nonce), _seal(trial, transform, (nonce, message, ad))
    cuts = [[message[:cut], message[cut:]] for cut in range(len(message) + 1)]
    size = len(cuts)
    sealed = trial.many("encrypt of segments", transform.encrypt_many, [nonce] * size, cuts, [ad] * size)
    for cut, one in enumerate(sealed):
        trial.law(one == box, law, f"encrypt of {len(message)} bytes cut at {cut}")
    cuts = [[box[:cut], box[cut:]] for cut in range(len(box) + 1)]
    size = len(cuts)
    opened = trial.many("decrypt of segments", transform.decrypt_many, [given] * size, cuts, [ad] * size)
    for cut, one in enumerate(opened):
        trial.law(one == message, law, f"decrypt of {len(box)} bytes cut at {cut}")
    for parts, ads in (
        (trial.noise.cuts(message), trial.noise.cuts(ad)),
        ([message[at : at + 1] for at in range(len(message))], [ad[at : at + 1] for at in range(len(ad))]),
        (message, [ad[:1], b"", ad[1:]]),
    ):
        one = trial.run("encrypt of segments", transform.encrypt, nonce, parts, ads)
        trial.law(one == box, law, "encrypt in odd segments")
    one = trial.run("decrypt of segments", transform.decrypt, given, trial.noise.cuts(box), trial.noise.cuts(ad))
    trial.law(one == message, law, "decrypt in odd segments")
    trial.beside("encrypt", message, box, lambda data, into: transform.encrypt(nonce, data, ad, into=into))


def _refusals(trial: Trial, recipe: Recipe, transform: _core.Transform) -> None:
    nonce, message, ad = _message(trial, recipe, 32)
    given, box = _for_opening(recipe, nonce), _seal(trial, transform, (nonce, message, ad))
    for size in recipe.wrong_nonces():
        law, case = "a nonce of a wrong length is refused", f"{size} bytes"
        wrong = trial.noise.draw(size)
        trial.refuses(UsageError, law, case, transform.encrypt, wrong, message, ad)
        if not recipe.prefix:
            trial.refuses(UsageError, law, case, transform.decrypt, wrong, box, ad)
    for size in recipe.wrong_ads:
        law, case = "additional data of a wrong length is refused", f"{size} bytes"
        wrong = trial.noise.draw(size)
        trial.refuses(UsageError, law, case, transform.encrypt, nonce, message, wrong)
        trial.refuses((UsageError, AuthenticationError), law, case, transform.decrypt, given, box, wrong)
    for size in sorted({recipe.unit - 1, recipe.least - 1}):
        if size > 0 and (size % recipe.unit or size < recipe.least):
            law, case = "a message of a wrong length is refused", f"{size} bytes"
            trial.refuses(UsageError, law, case, transform.encrypt, nonce, trial.noise.draw(size), ad)
