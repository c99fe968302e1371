"""What a message costs beside its work: through the null engine, which does nothing."""

from __future__ import annotations

from acrypto.cli.benches.timing import seconds
from acrypto.cli.report import table
from acrypto.engines.null import Null
from acrypto.layer.layer import Layer

KEY = "own_cost_us"
MANY = 64


def measure(threads: int | None) -> dict[str, float]:
    """Microseconds a message, by how it was given."""
    del threads  # of the null engine
    message = bytes(64)
    messages = [message] * MANY
    with Layer([Null()]) as layer:
        transform = layer.transform("sha256")
        costs = {
            f"digest_many of {MANY}, each": seconds(lambda: transform.digest_many(messages).wait(), repeat=20) / MANY,
            "one operation, inline": seconds(lambda: transform.digest(message).wait(), repeat=1000),
        }
    with Layer([Null(inline=False)]) as layer:
        transform = layer.transform("sha256")

        def queued() -> None:
            for operation in [transform.digest(message) for _ in range(MANY)]:
                operation.wait()

        costs[f"{MANY} operations queued, then waited for, each"] = seconds(queued, repeat=5) / MANY
    return {name: round(taken * 1e6, 3) for name, taken in costs.items()}


def show(costs: dict[str, float]) -> None:
    """A table."""
    table(("our own cost, null engine", "us"), ((name, f"{us:.2f}") for name, us in costs.items()), right=(1,))
