"""What a message may be, for type checkers."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from typing_extensions import Buffer as BytesLike

    #: One message: a bytes-like object, or a list or tuple of them (its segments in order).
    Source: TypeAlias = BytesLike | list[Any] | tuple[Any, ...]
