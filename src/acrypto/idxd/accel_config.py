"""The JSON of `accel-config save-config` and `load-config`, as values and back. Does no I/O.

Format: intel/idxd-config, version 3.5.3 (accfg/config.c, util/json.c): a list of devices, each with its groups, each
with the queues and engines that are in it. Commas that close a list or an object are taken, as they are there. The key
`acrypto` of a device is our own, and holds what no file of the kernel's tree says: what a soft device can do, and the
knobs of its model.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import Any

from acrypto._core import IdxdDevice
from acrypto.idxd.numbers import shown
from acrypto.idxd.state import MAX_NAME, Capabilities, dsa_capabilities
from acrypto.model.errors import CorruptInput, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Setting = int | str

#: A file is at most so long, in bytes, and has at most so many devices.
MAX_BYTES = 1 << 20
MAX_DEVICES = 64

DEVICE_SETTINGS = {"token_limit": int, "read_buffer_limit": int, "event_log_size": int}
GROUP_SETTINGS = dict.fromkeys(
    (
        "tokens_reserved",
        "read_buffers_reserved",
        "use_token_limit",
        "use_read_buffer_limit",
        "tokens_allowed",
        "read_buffers_allowed",
        "traffic_class_a",
        "traffic_class_b",
        "desc_progress_limit",
        "batch_progress_limit",
    ),
    int,
)
#: In the order in which they have to be set: the type before the name, which it clears; size and mode before threshold.
QUEUE_SETTINGS: dict[str, type] = {
    "mode": str,
    "type": str,
    "size": int,
    "group_id": int,
    "priority": int,
    "prs_disable": int,
    "ats_disable": int,
    "block_on_fault": int,
    "max_batch_size": int,
    "max_transfer_size": int,
    "name": str,
    "driver_name": str,
    "op_config": str,
    "threshold": int,
}
ENGINE_SETTINGS = {"group_id": int}

#: What a model can be told: nanoseconds, bytes a second, or 0 and 1.
KNOBS = tuple(IdxdDevice.KNOBS)
#: At most so much. A queue that is disabled waits for what is due, so no file may make that last.
MAX_KNOB = 1e15
MAX_NANOSECONDS = 1e10
#: At least so much, unless it is 0, which is no limit: for the same reason.
MIN_BYTES_PER_SECOND = 1e6
MAX_THREADS = 64
#: Of all devices together; each counts one that does not say.
MAX_ALL_THREADS = 128
_SHAPE = {one.name: one.type for one in fields(Capabilities) if one.name not in {"kind", "operations"}}
#: Where a text begins or ends, what in it does not, and a comma that closes, or lies in a text.
_MARK = re.compile(r'\\.|"|,(?=\s*[\]}])', re.DOTALL)
_DEVICE = re.compile(r"(dsa|iax)([0-9]{1,4})")
_PART = re.compile(r"(wq|engine|group)([0-9]{1,4})\.([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Part:
    """What is set of one queue, engine or group.

    Args:
        dev: its name, `"wq1.0"`.
        settings: by the names of the files; whole numbers and texts.
        place: where it stands in the JSON, `[0].groups[1]`, for messages.
    """

    dev: str
    settings: Mapping[str, Setting] = field(default_factory=dict)
    place: str = ""


@dataclass(frozen=True, slots=True)
class GroupPart(Part):
    """A group, with what is in it."""

    queues: tuple[Part, ...] = ()
    engines: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class DevicePart(Part):
    """A device, with its groups and what is in none.

    Args:
        dev: its name, `"iax1"`.
        settings: what is set of the device itself.
        place: where it stands.
        groups: its groups.
        queues: what is in no group.
        engines: the same.
        acrypto: what stands under that key: names of `Capabilities`, `threads`, `knobs`.
    """

    groups: tuple[GroupPart, ...] = ()
    queues: tuple[Part, ...] = ()
    engines: tuple[Part, ...] = ()
    acrypto: Mapping[str, Any] = field(default_factory=dict)

    def capabilities(self) -> Capabilities:
        """What a soft device for this can do.

        Raises:
            CorruptInput: the values under `acrypto` do not go together.
        """
        shape = {name: value for name, value in self.acrypto.items() if name in _SHAPE}
        try:
            return dsa_capabilities(**shape) if self.dev.startswith("dsa") else Capabilities(**shape)
        except UsageError as error:
            raise CorruptInput(f"{self.place}.acrypto.{error}") from None


Configuration = tuple[DevicePart, ...]


def parse(data: bytes | str) -> Configuration:
    """Reads a configuration; nothing in it is trusted.

    Args:
        data: at most `MAX_BYTES` of it.

    Raises:
        CorruptInput: not JSON, too long, an unknown key (named), a value of another type; the message begins with the
            place: `[0].groups[1].dev is ...`.
    """
    if len(data) > MAX_BYTES:
        raise CorruptInput(f"the configuration is {len(data)} bytes or more; it is at most {MAX_BYTES}")
    rows = _load(data)
    if not isinstance(rows, list):
        raise CorruptInput("a configuration is a list of devices")
    if len(rows) > MAX_DEVICES:
        raise CorruptInput(f"there are {len(rows)} devices; there may be {MAX_DEVICES}")
    devices = tuple(_device(row, f"[{index}]") for index, row in enumerate(rows))
    numbers: set[int] = set()
    for device in devices:
        _once(int(device.dev[3:]), numbers, device)
    threads = sum(int(device.acrypto.get("threads", 1)) for device in devices)
    if threads > MAX_ALL_THREADS:
        raise CorruptInput(f"the devices have {threads} threads together; there may be {MAX_ALL_THREADS}")
    return devices


def render(configuration: Configuration) -> str:
    """Writes a configuration as `save-config` does, with a newline at the end."""
    return json.dumps([_device_row(device) for device in configuration], indent=2, separators=(",", ":")) + "\n"


# ---- reading


def _load(data: bytes | str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise CorruptInput(f"the key {shown(key)} stands twice in one object")
            found[key] = value
        return found

    def refuse(word: str) -> Any:
        raise CorruptInput(f"{word} is no number of JSON")

    try:
        text = data if isinstance(data, str) else data.decode()
        return json.loads(_without_closing_commas(text), object_pairs_hook=once, parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise CorruptInput("the configuration is not UTF-8", error.start) from None
    except json.JSONDecodeError as error:
        message = f"the configuration is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        raise CorruptInput(message, error.pos) from None
    except RecursionError:
        raise CorruptInput("the configuration is nested too deep") from None
    except CorruptInput:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise CorruptInput(f"the configuration is not JSON: {error}") from None


def _without_closing_commas(text: str) -> str:
    """The same with a space for each; one step for each mark, so that no text makes it look twice at anything."""
    in_text = False

    def step(found: re.Match[str]) -> str:
        nonlocal in_text
        if found[0] == '"':
            in_text = not in_text
        return " " if found[0] == "," and not in_text else found[0]

    return _MARK.sub(step, text)


def _object(row: Any, place: str, known: Iterable[str]) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise CorruptInput(f"{place} is {_kind(row)}; it is an object")
    known = set(known)
    unknown = [shown(key) for key in row if key not in known]
    if unknown:
        raise CorruptInput(f"{place} has unknown keys: {', '.join(unknown[:8])}; known are {', '.join(sorted(known))}")
    return row


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _settings(row: Mapping[str, Any], known: Mapping[str, type], place: str) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for name, kind in known.items():
        if name not in row:
            continue
        value = row[name]
        if type(value) is not kind:
            wanted = "a whole number" if kind is int else "a text"
            what = f"{value}" if isinstance(value, float) else _kind(value)
            raise CorruptInput(f"{place}.{name} is {what}; it is {wanted}")
        if isinstance(value, int) and not -(1 << 31) <= value < 1 << 63:
            raise CorruptInput(f"{place}.{name} is out of range; it is below 2^63")
        if isinstance(value, str):
            _check_text(value, f"{place}.{name}")
        found[name] = row[name]
    return found


def _check_text(text: str, place: str) -> None:
    if len(text) > MAX_NAME:
        raise CorruptInput(f"{place} is {len(text)} characters; it is at most {MAX_NAME}")
    if not text.isprintable():
        raise CorruptInput(f"{place} is {shown(text)}; it is printable")


def _dev(row: Mapping[str, Any], place: str, pattern: re.Pattern[str], example: str) -> re.Match[str]:
    dev = row.get("dev")
    if dev is None:
        raise CorruptInput(f'{place} has no "dev"')
    found = pattern.fullmatch(dev) if isinstance(dev, str) else None
    if found is None:
        told = shown(dev) if isinstance(dev, str) else _kind(dev)
        raise CorruptInput(f"{place}.dev is {told}; it is a name such as {example}")
    return found


def _parts(
    row: Mapping[str, Any], key: str, place: str, read: Callable[[Any, str], Any], seen: set[str]
) -> tuple[Any, ...]:
    rows = row.get(key, [])
    if not isinstance(rows, list):
        raise CorruptInput(f"{place}.{key} is {_kind(rows)}; it is a list")
    parts = tuple(read(one, f"{place}.{key}[{index}]") for index, one in enumerate(rows))
    for part in parts:
        _once(part.dev, seen, part)
    return parts


def _once(name: Any, seen: set[Any], part: Part) -> None:
    if name in seen:
        raise CorruptInput(f"{part.place}.dev is {part.dev}, which stands there twice")
    seen.add(name)


def _device(row: Any, place: str) -> DevicePart:
    lists = ("groups", "ungrouped_workqueues", "ungrouped workqueues", "ungrouped_engines")
    row = _object(row, place, ("dev", *DEVICE_SETTINGS, *lists, "acrypto"))
    dev = _dev(row, place, _DEVICE, "iax1")
    number, seen = int(dev[2]), set[str]()

    def part(one: Any, at: str, kind: str, known: Mapping[str, type], group: int | None) -> Part:
        one = _object(one, at, ("dev", *known))
        name = _name(one, at, kind, number)
        settings = _settings(one, known, at)
        if group is not None and settings.setdefault("group_id", group) != group:
            raise CorruptInput(f"{at}.group_id is {settings['group_id']}; it stands in group{number}.{group}")
        return Part(name[0], settings, at)

    def queues(group: int | None) -> Callable[[Any, str], Part]:
        return lambda one, at: part(one, at, "wq", QUEUE_SETTINGS, group)

    def engines(group: int | None) -> Callable[[Any, str], Part]:
        return lambda one, at: part(one, at, "engine", ENGINE_SETTINGS, group)

    def group(one: Any, at: str) -> GroupPart:
        one = _object(one, at, ("dev", *GROUP_SETTINGS, "grouped_workqueues", "grouped_engines"))
        name = _name(one, at, "group", number)
        index = int(name[3])
        return GroupPart(
            name[0],
            _settings(one, GROUP_SETTINGS, at),
            at,
            _parts(one, "grouped_workqueues", at, queues(index), seen),
            _parts(one, "grouped_engines", at, engines(index), seen),
        )

    return DevicePart(
        dev[0],
        _settings(row, DEVICE_SETTINGS, place),
        place,
        _parts(row, "groups", place, group, seen),
        (
            *_parts(row, "ungrouped_workqueues", place, queues(None), seen),
            *_parts(row, "ungrouped workqueues", place, queues(None), seen),
        ),
        _parts(row, "ungrouped_engines", place, engines(None), seen),
        _acrypto(row["acrypto"], f"{place}.acrypto") if "acrypto" in row else {},
    )


def _name(row: Mapping[str, Any], place: str, kind: str, number: int) -> re.Match[str]:
    name = _dev(row, place, _PART, f"{kind}{number}.0")
    if name[1] != kind or int(name[2]) != number:
        raise CorruptInput(f"{place}.dev is {name[0]}; it is a name such as {kind}{number}.0")
    return name


def _acrypto(row: Any, place: str) -> dict[str, Any]:
    row = _object(row, place, (*_SHAPE, "threads", "knobs"))
    shape = {name: bool if kind == "bool" else int for name, kind in _SHAPE.items()}
    found: dict[str, Any] = {}
    for name, kind in {**shape, "threads": int}.items():
        if name in row:
            if type(row[name]) is not kind:
                wanted = "a whole number" if kind is int else "true or false"
                raise CorruptInput(f"{place}.{name} is {_kind(row[name])}; it is {wanted}")
            found[name] = row[name]
    if not 0 <= found.get("threads", 0) <= MAX_THREADS:
        raise CorruptInput(f"{place}.threads is {found['threads']}; it is 0 to {MAX_THREADS}")
    if "knobs" in row:
        knobs = _object(row["knobs"], f"{place}.knobs", KNOBS)
        for name, value in knobs.items():
            most = MAX_NANOSECONDS if name.endswith("_ns") else MAX_KNOB
            if type(value) not in {int, float} or not 0 <= value <= most:
                raise CorruptInput(f"{place}.knobs.{name} is out of range; it is a number from 0 to {most:g}")
            if name == "bytes_per_second" and 0 < value < MIN_BYTES_PER_SECOND:
                message = f"{place}.knobs.{name} is {value:g}; it is 0, for no limit, or at least"
                raise CorruptInput(f"{message} {MIN_BYTES_PER_SECOND:g}")
        found["knobs"] = dict(knobs)
    return found


# ---- writing

#: The order in which save-config writes a queue's keys.
_WRITTEN = (
    "mode",
    "size",
    "group_id",
    "priority",
    "block_on_fault",
    "max_batch_size",
    "max_transfer_size",
    "type",
    "name",
    "driver_name",
    "threshold",
    "prs_disable",
    "ats_disable",
    "op_config",
)


def _row(part: Part, order: Iterable[str]) -> dict[str, Any]:
    return {"dev": part.dev, **{name: part.settings[name] for name in order if name in part.settings}}


def _group_row(group: GroupPart) -> dict[str, Any]:
    row = _row(group, GROUP_SETTINGS)
    if group.queues:
        row["grouped_workqueues"] = [_row(queue, _WRITTEN) for queue in group.queues]
    if group.engines:
        row["grouped_engines"] = [_row(engine, ENGINE_SETTINGS) for engine in group.engines]
    return row


def _device_row(device: DevicePart) -> dict[str, Any]:
    row = _row(device, DEVICE_SETTINGS)
    if device.acrypto:
        row["acrypto"] = dict(device.acrypto)
    if device.groups:
        row["groups"] = [_group_row(group) for group in device.groups]
    if device.queues:
        row["ungrouped workqueues"] = [_row(queue, _WRITTEN) for queue in device.queues]
    if device.engines:
        row["ungrouped_engines"] = [_row(engine, ENGINE_SETTINGS) for engine in device.engines]
    return row
