"""The one list of engines, in the order in which they are probed."""

from __future__ import annotations

from acrypto.engines.base import Engine
from acrypto.engines.faulty import Faulty
from acrypto.engines.null import Null
from acrypto.engines.software import Software

# A new engine is one line here.
ENGINES: dict[str, type[Engine]] = {
    "software": Software,
    "null": Null,
    "faulty": Faulty,
}
