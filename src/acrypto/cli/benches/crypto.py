"""Messages of 4 KiB: one by one, started together and then awaited, and as one batch."""

from __future__ import annotations

import hashlib
import hmac
import struct
from functools import partial

from acrypto.cli import options
from acrypto.cli.benches.timing import rate, ratio, seconds, shown
from acrypto.cli.report import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Coroutine
    from typing import Any

    from acrypto._core import Operation
    from acrypto.cli.benches.timing import Run

KEY = "crypto_mb_per_s"
SIZE, MANY = 4096, 64
#: Rounds before the first that counts: the balancer measures what the devices take for so many.
LEARNING = 40
AES_KEY, LONG_KEY, XTS_KEY, IV, NONCE = bytes(16), bytes(range(32)), bytes(range(64)), bytes(16), bytes(12)
#: The kernel's form: header, length of the cipher's key, MAC key, cipher's key.
AUTHENC_KEY = struct.pack("=HH", 8, 1) + struct.pack(">I", 16) + LONG_KEY + AES_KEY
#: Algorithm, method, key, nonce, the standard library's way.
CASES: tuple[tuple[str, str, bytes | None, bytes | None, Callable[[bytes], object] | None], ...] = (
    ("sha256", "digest", None, None, lambda message: hashlib.sha256(message).digest()),
    ("sha512", "digest", None, None, lambda message: hashlib.sha512(message).digest()),
    ("hmac(sha256)", "mac", LONG_KEY, None, lambda message: hmac.digest(LONG_KEY, message, "sha256")),
    ("cbc(aes)", "encrypt", AES_KEY, IV, None),
    ("authenc(hmac(sha256),cbc(aes))", "encrypt", AUTHENC_KEY, IV, None),
    ("gcm(aes)", "encrypt", LONG_KEY, NONCE, None),
    ("chacha20-poly1305", "encrypt", LONG_KEY, NONCE, None),
    ("xts(aes)", "encrypt", XTS_KEY, IV, None),
)


def measure(threads: int | None) -> list[dict[str, object]]:
    """MB/s of each way."""
    import asyncio

    message = bytes(range(256)) * (SIZE // 256)
    messages = [message] * MANY
    loop = asyncio.new_event_loop()
    rows: list[dict[str, object]] = []
    with options.layer(threads) as layer:
        for name, method, key, nonce, peer in CASES:
            transform = layer.transform(name, key=key)
            one, many = getattr(transform, method), getattr(transform, f"{method}_many")
            # One nonce for all: these are no messages.
            arguments: tuple[Any, ...] = (message,) if nonce is None else (nonce, message)
            batch: tuple[Any, ...] = (messages,) if nonce is None else ([nonce] * MANY, messages)

            async def at_once(one: Any = one, arguments: tuple[Any, ...] = arguments) -> None:
                for operation in [one(*arguments) for _ in range(MANY)]:
                    await operation

            row: dict[str, object] = {"algorithm": name, "bytes": SIZE}
            row["one"] = rate(SIZE, seconds(_waited(one, arguments), repeat=20))
            row["awaited"] = rate(SIZE * MANY, seconds(_in(loop, at_once), before=LEARNING))
            row["many"] = rate(SIZE * MANY, seconds(_waited(many, batch), before=LEARNING))
            row["stdlib"] = None if peer is None else rate(SIZE, seconds(partial(peer, message), repeat=20))
            rows.append(row)
    loop.close()
    return rows


def _waited(start: Callable[..., Operation[Any]], arguments: tuple[Any, ...]) -> Run:
    return lambda: start(*arguments).wait()


def _in(loop: AbstractEventLoop, run: Callable[[], Coroutine[Any, Any, None]]) -> Run:
    return lambda: loop.run_until_complete(run())


def show(rows: list[dict[str, Any]]) -> None:
    """A table."""
    headings = (f"MB/s, {SIZE} bytes", "one", f"{MANY} awaited", f"many of {MANY}", "stdlib", "many / stdlib")
    cells = [
        [
            row["algorithm"],
            *(shown(row[way]) for way in ("one", "awaited", "many", "stdlib")),
            ratio(row["many"], row["stdlib"]),
        ]
        for row in rows
    ]
    table(headings, cells, right=range(1, 6))
