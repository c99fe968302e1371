"""Remembers which offers passed their self-test, so that a layer opens without repeating it.

Only passes are remembered; what failed is tried again each time. A verdict is for one build on one CPU: the native
module's version, size and time, the CPU's features, the number of the tests; the engine's identity, driver, algorithm.
Everything else about the file (`verdicts`, see `cache`) is allowed to go wrong: without it the tests run.
"""

from __future__ import annotations

import os
import sys
import threading

from acrypto.engines.base import Engine
from acrypto.registry.cache import KEY_DIGITS, build, directory, read, short, write

#: Raised when the self-tests change, so that everything is tested again.
TESTS = 1
#: Most verdicts that are kept, the oldest dropped first; and the most bytes of a file that are read.
MOST = 4096
MOST_BYTES = MOST * 64
FILE = "verdicts"
HEAD = "acrypto verdicts, build "


def identity(engine: Engine) -> str | None:
    """What a verdict on this engine may be remembered under; None if it must be tested each time.

    The core's own default engines are what this build is. An engine written in Python is known by its file and the
    `version` that its class states; without one it may be anything, as is one whose class was made in a function.
    """
    kind = type(engine)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind.by_default and kind.native is not Engine.native and kind.__module__.startswith("acrypto.engines."):
        return name
    version = getattr(kind, "version", None)
    path = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if not isinstance(version, str) or not version or not path or "<" in name:
        return None
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return f"{name} {version} {path} {facts.st_size} {facts.st_mtime_ns}"


class Verdicts:
    """The passes that this build remembers. Shareable between threads; nothing in here raises."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._build = ""
        #: Keys in the order of their age; None until the file was read.
        self._known: dict[str, None] | None = None
        self._new: dict[str, None] = {}
        self._gone: set[str] = set()

    def key(self, identity: str | None, driver: str, algorithm: str) -> str | None:
        """What the verdict on an offer is remembered under; None if the engine has no identity."""
        if identity is None or directory() is None:
            return None
        with self._lock:
            self._build = self._build or _build()
            return short("\0".join((self._build, identity, driver, algorithm)))

    def has(self, key: str | None) -> bool:
        """Whether that passed before."""
        if key is None:
            return False
        with self._lock:
            if self._known is None:
                self._known = _read(self._build)
            return key in self._known and key not in self._gone

    def add(self, key: str | None) -> None:
        """Remembers a pass, from the next `save` on."""
        if key is not None:
            with self._lock:
                self._gone.discard(key)
                self._new[key] = None

    def forget(self, key: str | None) -> None:
        """Forgets a pass, from the next `save` on."""
        if key is not None:
            with self._lock:
                self._new.pop(key, None)
                self._gone.add(key)

    def save(self) -> None:
        """Writes what is new, beside what others have written meanwhile. Does nothing if nothing changed."""
        with self._lock:
            known = self._known or {}
            new = [key for key in self._new if key not in known]
            if new or any(key in known for key in self._gone):
                self._known = {key: None for key in [*_read(self._build), *new] if key not in self._gone}
                _write(self._build, self._known)
            self._new.clear()


def _build() -> str:
    return f"{build()} tests {TESTS}"


def _read(made_for: str) -> dict[str, None]:
    """The keys in the file; none if it is of another build, of another user, or nonsense."""
    head, *keys = read(directory(), FILE, MOST_BYTES) or [""]
    if head != HEAD + short(made_for):
        return {}
    return dict.fromkeys(key for key in keys if len(key) == KEY_DIGITS)


def _write(made_for: str, keys: dict[str, None]) -> None:
    write(directory(), FILE, [HEAD + short(made_for), *list(keys)[-MOST:]])
