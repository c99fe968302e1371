"""Where a user's own files are (XDG Base Directory Specification)."""

from __future__ import annotations

import os


def user_directory(variable: str, default: str) -> str | None:
    """Our directory below one of the user's.

    Args:
        variable: that names it: `XDG_CACHE_HOME`. What is not absolute counts as not set.
        default: where it is otherwise: `~/.cache`.

    Returns:
        Its path; None if the user has no home.
    """
    base = os.environ.get(variable, "")
    if not os.path.isabs(base):
        base = os.path.expanduser(default)
    return os.path.join(base, "acrypto") if os.path.isabs(base) else None
