"""Plain command lines of `acrypto digest`, read without the library that reads all others.

That library takes as long to load as half a gigabyte takes to hash. What is not plain (lists to check, help, several
switches in one word, mistakes) is left to it, and what is read here means the same there.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Asked(NamedTuple):
    """What `digest` is to print: its options by name."""

    files: tuple[str, ...]
    algorithm: str = "sha256"
    recursive: bool = False
    tag: bool = False
    threads: int | None = None
    mapped: bool = False
    as_json: bool = False


_SWITCHES: dict[str, dict[str, Any]] = {
    "-r": {"recursive": True},
    "--recursive": {"recursive": True},
    "--tag": {"tag": True},
    "--mmap": {"mapped": True},
    "--no-mmap": {"mapped": False},
    "--json": {"as_json": True},
}
_VALUES = {"-a", "--algorithm", "-T", "--threads"}
#: As the option `-T` of all commands.
MOST_THREADS = 1024


def digest(words: list[str]) -> Asked | None:
    """What the words behind `digest` ask for; None if they are not plain."""
    asked = Asked(())
    files: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            files += left
        elif word == "-" or not word.startswith("-"):
            files.append(word)
        elif word in _SWITCHES:
            asked = asked._replace(**_SWITCHES[word])
        elif word in _VALUES:
            value = next(left, "")
            if not value or value.startswith("-"):
                return None
            if word in {"-a", "--algorithm"}:
                asked = asked._replace(algorithm=value)
            elif value.isascii() and value.isdecimal() and 0 < int(value) <= MOST_THREADS:
                asked = asked._replace(threads=int(value))
            else:
                return None
        else:
            return None
    return asked._replace(files=tuple(files))
