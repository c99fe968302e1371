"""The one list of engines, in the order in which they are probed: ours, then those that installed packages publish.

A package publishes an engine by an entry point of the group `acrypto.engines`: its name is the engine's, its value the
class. Whatever is wrong with one is told by the log and by `acrypto doctor`, and keeps no layer from opening.
"""

from __future__ import annotations

import os
import sys

from acrypto.engines.base import Engine
from acrypto.engines.faulty import Faulty
from acrypto.engines.iaa import Iaa
from acrypto.engines.multibuffer import Multibuffer
from acrypto.engines.null import Null
from acrypto.engines.simulated import Simulated
from acrypto.engines.software import Software
from acrypto.model.names import LETTERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# A new engine is one line here.
ENGINES: dict[str, type[Engine]] = {
    "software": Software,
    "multibuffer": Multibuffer,
    "iaa": Iaa,
    "null": Null,
    "faulty": Faulty,
    "simulated": Simulated,
}
#: The group of entry points, as it stands in a package's `entry_points.txt`.
GROUP = "acrypto.engines"


class Catalogue:
    """What was found at one time.

    Attributes:
        engines: by name, ours first.
        broken: entry points that give no engine: name and reason.
    """

    __slots__ = ("broken", "engines")

    def __init__(self) -> None:
        self.engines = dict(ENGINES)
        self.broken: list[tuple[str, str]] = []
        for folder in _publishers():
            self._read(folder)

    def _read(self, folder: str) -> None:
        from importlib.metadata import Distribution

        try:
            points = Distribution.at(folder).entry_points.select(group=GROUP)
        except Exception as error:  # somebody's file, and as many ways to be wrong
            self._refuse(os.path.basename(folder), f"entry_points.txt cannot be read: {_told(error)}")
            return
        for point in points:
            self._load(point, os.path.basename(folder))

    def _load(self, point: EntryPoint, package: str) -> None:
        wrong = ""
        try:
            kind = point.load()
        except (Exception, SystemExit) as error:  # somebody's module, which may do anything
            wrong = f"{point.value} cannot be imported: {_told(error)}"
        else:
            if point.name in self.engines:
                wrong = "the name is taken"
            elif not LETTERS.issuperset(point.name):
                wrong = "a name is made of letters, digits and _-.+/"
            elif not isinstance(kind, type) or not issubclass(kind, Engine):
                wrong = f"{point.value} is no subclass of acrypto.engines.base.Engine"
            elif kind.name != point.name:
                wrong = f"{point.value} says that its name is {kind.name!r}"
            else:
                self.engines[point.name] = kind
        if wrong:
            self._refuse(point.name, f"{wrong} ({package})")

    def _refuse(self, name: str, reason: str) -> None:
        self.broken.append((name, reason))
        _warn(f"the engine {name} of an entry point is left out: {reason}")


_last: tuple[object, Catalogue] | None = None


def catalogue() -> Catalogue:
    """Every engine that there is. Looked for again when `sys.path`, or a folder on it, has changed."""
    global _last  # noqa: PLW0603 - what one interpreter has installed is the same for all its layers
    key = tuple((path, _changed(path)) for path in sys.path)
    last = _last
    if last is None or last[0] != key:
        _last = last = (key, Catalogue())
    return last[1]


def engines() -> dict[str, type[Engine]]:
    """The classes of all engines, ours and those of entry points, by name."""
    return catalogue().engines


def default_engines() -> list[Engine]:
    """Those that a layer opens without being asked, made and found present.

    One of an entry point that raises where it must not is left out, and told in the log.
    """
    chosen = []
    for name, kind in engines().items():
        if not kind.by_default:
            continue
        try:
            engine = kind()
            present = engine.probe() is None
        except Exception as error:
            if name in ENGINES:
                raise
            _warn(f"the engine {name} of an entry point is left out: probing it failed: {_told(error)}")
            continue
        if present:
            chosen.append(engine)
    return chosen


def _publishers() -> list[str]:
    """The folders of installed packages' metadata that name our group.

    By looking into files, a fraction of a millisecond; importlib.metadata takes ten for its import alone.
    """
    found, seen = [], set()
    for path in sys.path:
        try:
            with os.scandir(path or ".") as entries:
                folders = sorted(entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info")))
        except OSError:
            continue  # not there, not ours to read, or an archive
        for folder in folders:
            # As for modules, the first on the path hides another version of the same package.
            package = os.path.splitext(os.path.basename(folder))[0].partition("-")[0].lower()
            if package in seen:
                continue
            seen.add(package)
            try:
                with open(os.path.join(folder, "entry_points.txt"), "rb") as file:
                    if GROUP.encode() in file.read():
                        found.append(folder)
            except OSError:
                continue
    return found


def _changed(path: str) -> int:
    try:
        return os.stat(path or ".").st_mtime_ns
    except OSError:
        return 0


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _warn(message: str) -> None:
    import logging

    logging.getLogger("acrypto").warning(message)
