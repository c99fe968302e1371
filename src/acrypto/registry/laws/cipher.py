"""Ciphers without authentication: every block right, the last and the partial one too, under any key and nonce."""

from __future__ import annotations

from acrypto.model.errors import UsageError
from acrypto.registry.laws.noise import flipped
from acrypto.registry.laws.recipe import Recipe
from acrypto.registry.laws.sizes import sizes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto import _core
    from acrypto.registry.laws.trial import Trial

#: Messages whose tails are looked at together: that none of them changed by chance has a probability of 2^-8 for each.
TAILS = 16


def cipher(trial: Trial) -> None:
    """The laws of ciphers, under a key of each length."""
    shape = trial.subject.shape
    trial.law(shape, "a new algorithm's offer tells its sizes", "its keys and nonces")
    recipe = Recipe(trial.subject.name, shape)
    for number, key in enumerate(recipe.keys(trial.noise)):
        transform, judge = trial.made(key=key), trial.judge(key=key)
        _round_trips(trial, recipe, transform, judge, is_short=number > 0)
        if number == 0:
            _depends(trial, recipe, key, transform)
            _segments(trial, recipe, transform)
            _refusals(trial, recipe, transform)
    for wrong in recipe.wrong_keys(trial.noise):
        trial.refuses_key(len(wrong), wrong, lambda made: trial.wait("encrypt", made.encrypt, *_message(trial, recipe)))


def _message(trial: Trial, recipe: Recipe, size: int = 48) -> tuple[bytes, bytes]:
    """A nonce and a message."""
    size = max(size // recipe.unit * recipe.unit, recipe.least)
    return trial.noise.draw(recipe.nonce), trial.noise.draw(size)


def _round_trips(
    trial: Trial, recipe: Recipe, transform: _core.Transform, judge: _core.Transform | None, *, is_short: bool
) -> None:
    noise, block = trial.noise, max(trial.subject.shape.block, 16)
    is_old = trial.subject.shape.block == 8  # and slow
    wanted = sizes(
        block,
        unit=recipe.unit,
        least=recipe.least,
        thorough=trial.thorough and not is_short,
        past_windows=not is_short and not is_old,
    )
    most = 1024 if is_short else 2100 if is_old else wanted[-1]
    wanted = [size for size in wanted if size <= most]
    wanted += [size // recipe.unit * recipe.unit for size in noise.sizes(8, 3000) if size >= recipe.least]
    messages = [noise.draw(size) for size in wanted]
    nonces = [noise.draw(recipe.nonce) for _ in wanted]
    sealed = [bytes(one) for one in trial.many("encrypt of many", transform.encrypt_many, nonces, messages)]
    for message, one in zip(messages, sealed, strict=True):
        trial.law(len(one) == len(message), "ciphertext is as long as its message", f"{len(message)} bytes")
    if judge is not None:
        right = judge.encrypt_many(nonces, messages).wait()
        for message, one, other in zip(messages, sealed, right, strict=True):
            trial.law(one == other, "it gives what the software engine gives", f"encrypt of {len(message)} bytes")
    opened = trial.many("decrypt of many", transform.decrypt_many, nonces, sealed)
    for message, one in zip(messages, opened, strict=True):
        trial.law(one == message, "what was encrypted is decrypted", f"{len(message)} bytes")
    if is_short:
        return
    for at in {0, len(wanted) // 3, len(wanted) - 1}:
        case = f"encrypt of {wanted[at]} bytes"
        one = trial.run(case, transform.encrypt, nonces[at], messages[at])
        trial.law(one == sealed[at], "many give what one by one give, in order", case)
        case = f"decrypt of {wanted[at]} bytes"
        one = trial.run(case, transform.decrypt, nonces[at], sealed[at])
        trial.law(one == messages[at], "many give what one by one give, in order", case)
    for size in {0, recipe.least, 3 * block}:
        if size in wanted:
            at = wanted.index(size)
            nonce, message, box = nonces[at], messages[at], sealed[at]
            trial.fits(f"encrypt of {size} bytes", size, transform.encrypt, nonce, message, content=box)
            trial.fits(f"decrypt of {size} bytes", size, transform.decrypt, nonce, box, content=message)


def _depends(trial: Trial, recipe: Recipe, key: bytes, transform: _core.Transform) -> None:
    """Every block, the last and the partial one too, depends on key and nonce, and is not the message."""
    block = trial.subject.shape.block or 1
    unit = max(recipe.unit, 1)
    tails = {unit, block} if recipe.unit < block else {unit}
    for tail in sorted(tails):
        size = max(3 * max(block, 16) // unit * unit + tail, recipe.least)
        nonces = [trial.noise.draw(recipe.nonce) for _ in range(TAILS)]
        messages = [trial.noise.draw(size) for _ in range(TAILS)]
        case = f"{size} bytes"
        sealed = trial.many(f"encrypt of {case}", transform.encrypt_many, nonces, messages)
        ends = [bytes(one)[-tail:] for one in sealed]
        law = "the last bytes are encrypted"
        trial.law(ends != [message[-tail:] for message in messages], law, case)
        other = trial.made(key=flipped(key, len(key) - 1))
        sealed = trial.many(f"encrypt of {case}", other.encrypt_many, nonces, messages)
        trial.law(ends != [bytes(one)[-tail:] for one in sealed], "the last bytes depend on the key", case)
        for at in sorted({0, recipe.nonce - 1}) if recipe.nonce else ():
            others = [flipped(nonce, at) for nonce in nonces]
            sealed = trial.many(f"encrypt of {case}", transform.encrypt_many, others, messages)
            law = f"the last bytes depend on byte {at} of the nonce"
            trial.law(ends != [bytes(one)[-tail:] for one in sealed], law, case)
    for at in sorted({0, len(key) // 2}):
        nonce, message = _message(trial, recipe)
        other = trial.made(key=flipped(key, at))
        same = trial.run("encrypt", other.encrypt, nonce, message) == trial.run(
            "encrypt", transform.encrypt, nonce, message
        )
        trial.law(not same, "every byte of a key counts", f"byte {at} of {len(key)}")


def _segments(trial: Trial, recipe: Recipe, transform: _core.Transform) -> None:
    law = "segments are one message"
    nonce, message = _message(trial, recipe, 67)
    size = len(message)
    box = bytes(trial.run(f"encrypt of {size} bytes", transform.encrypt, nonce, message))
    cuts = [[message[:cut], message[cut:]] for cut in range(size + 1)]
    for cut, one in enumerate(trial.many("encrypt of segments", transform.encrypt_many, [nonce] * len(cuts), cuts)):
        trial.law(one == box, law, f"encrypt of {size} bytes cut at {cut}")
    back = [[box[:cut], box[cut:]] for cut in range(size + 1)]
    for cut, one in enumerate(trial.many("decrypt of segments", transform.decrypt_many, [nonce] * len(back), back)):
        trial.law(one == message, law, f"decrypt of {size} bytes cut at {cut}")
    for parts in (trial.noise.cuts(message), [message[at : at + 1] for at in range(size)]):
        trial.law(trial.run("encrypt of segments", transform.encrypt, nonce, parts) == box, law, "odd segments")
    for parts in (trial.noise.cuts(box), [box[at : at + 1] for at in range(size)]):
        trial.law(trial.run("decrypt of segments", transform.decrypt, nonce, parts) == message, law, "odd segments")
    trial.beside(f"encrypt of {size} bytes", message, box, lambda data, into: transform.encrypt(nonce, data, into=into))


def _refusals(trial: Trial, recipe: Recipe, transform: _core.Transform) -> None:
    nonce, message = _message(trial, recipe)
    for size in recipe.wrong_nonces():
        law, case = "a nonce of a wrong length is refused", f"{size} bytes"
        trial.refuses(UsageError, law, case, transform.encrypt, trial.noise.draw(size), message)
        trial.refuses(UsageError, law, case, transform.decrypt, trial.noise.draw(size), message)
    wrong = {size for size in (1, recipe.unit - 1, recipe.unit + 1, recipe.least - 1) if size > 0}
    for size in sorted(size for size in wrong if size % recipe.unit or size < recipe.least):
        law, case = "a message of a wrong length is refused", f"{size} bytes"
        trial.refuses(UsageError, law, case, transform.encrypt, nonce, trial.noise.draw(size))
        trial.refuses(UsageError, law, case, transform.decrypt, nonce, trial.noise.draw(size))
