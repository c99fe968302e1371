"""Random number generators: as many bytes as asked for, never the same, all values about equally often."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.registry.laws.trial import Trial

#: So many bytes hold every value once, but in one of 10^12 tries, and their bits are even within `SLACK`.
SAMPLE = 8192
#: Ten standard deviations of the number of ones among the bits of a sample.
SLACK = 1280
BLOCK = 16


def generator(trial: Trial) -> None:
    """The laws of random number generators; without a way to draw, none."""
    draw = trial.subject.random
    if draw is None:
        return
    for size in (0, 1, 31, 32, 4097):
        given = trial.run(f"random of {size} bytes", draw, size)
        trial.law(len(given) == size, "random gives as many bytes as asked for", f"{size} bytes")
    sample = bytes(trial.run(f"random of {SAMPLE} bytes", draw, SAMPLE))
    other = bytes(trial.run(f"random of {SAMPLE} bytes", draw, SAMPLE))
    case = f"{SAMPLE} bytes"
    blocks = {both[at : at + BLOCK] for both in (sample, other) for at in range(0, SAMPLE, BLOCK)}
    trial.law(len(blocks) == 2 * SAMPLE // BLOCK, "random bytes do not repeat", case)
    trial.law(len({*sample}) == 256, "every value comes", case)
    ones = int.from_bytes(sample, "big").bit_count()
    trial.law(abs(ones - SAMPLE * 4) < SLACK, "ones and zeros are even", case)
