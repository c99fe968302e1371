"""accel-config's JSON: what its documentation brings comes back, and nothing that is read is trusted."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.idxd.conftest import Crypto, refused

from acrypto.idxd import Bus, BusError, configure_defaults
from acrypto.idxd import configuration as configuring
from acrypto.idxd.accel_config import KNOBS, MAX_BYTES, parse, render
from acrypto.idxd.queue import Backing, Nothing
from acrypto.idxd.state import Device
from acrypto.idxd.stored import acrypto_of, build
from acrypto.model.errors import CorruptInput

SAMPLES = Path("/etc/accel-config/contrib/configs")

#: Two queues that share a group, a group of engines without queues, an engine in none.
IAX: list[dict[str, Any]] = [
    {
        "dev": "iax1",
        "groups": [
            {
                "dev": "group1.0",
                "traffic_class_a": 1,
                "traffic_class_b": 1,
                "grouped_workqueues": [
                    {
                        "dev": "wq1.0",
                        "mode": "dedicated",
                        "size": 64,
                        "group_id": 0,
                        "priority": 15,
                        "block_on_fault": 0,
                        "max_transfer_size": 2097152,
                        "type": "kernel",
                        "name": "fast",
                        "driver_name": "crypto",
                        "threshold": 0,
                        "prs_disable": 0,
                        "ats_disable": 0,
                    },
                    {
                        "dev": "wq1.1",
                        "mode": "shared",
                        "size": 64,
                        "group_id": 0,
                        "priority": 5,
                        "block_on_fault": 1,
                        "max_transfer_size": 4096,
                        "type": "user",
                        "name": "slow",
                        "driver_name": "user",
                        "threshold": 60,
                        "prs_disable": 0,
                        "ats_disable": 1,
                    },
                ],
                "grouped_engines": [{"dev": f"engine1.{index}", "group_id": 0} for index in range(6)],
            },
            {
                "dev": "group1.1",
                "traffic_class_a": 1,
                "traffic_class_b": 1,
                "grouped_engines": [{"dev": "engine1.6", "group_id": 1}],
            },
            {"dev": "group1.2", "traffic_class_a": 1, "traffic_class_b": 1},
            {"dev": "group1.3", "traffic_class_a": 1, "traffic_class_b": 1},
        ],
        "ungrouped_engines": [{"dev": "engine1.7"}],
    }
]


def nothing(_device: Device, _part: object) -> Backing:
    return Nothing()


def trailing(rows: Any) -> Any:
    """JSON with the commas that close lists, which the tool takes, taken out."""
    return json.loads(rows.replace("},\n        ]", "}\n        ]"))


def test_a_configuration_comes_back_as_it_was() -> None:
    text = json.dumps(IAX, indent=2, separators=(",", ":")) + "\n"
    parsed = parse(text)
    assert render(parsed) == text
    bus, loaded = build(parsed, nothing)
    assert (loaded.devices, loaded.queues, loaded.waiting) == (("iax1",), ("wq1.1",), ("wq1.0",))
    assert loaded.skipped == ()
    assert json.loads(render(configuring.save(bus))) == IAX
    crypto = Crypto()
    crypto.probe = crypto.queues.append  # type: ignore[method-assign]
    bus.register(crypto)
    assert [queue.dev for queue in crypto.queues] == ["wq1.0"]
    assert json.loads(render(configuring.save(bus))) == IAX


@pytest.mark.parametrize("name", ["app_profile", "net_profile", "os_profile", "storage_profile"])
def test_the_tools_own_samples_come_back(name: str) -> None:
    """Every key of the samples that Debian's package brings, with its value, is in what is saved."""
    sample = SAMPLES / f"{name}.conf"
    if not sample.exists():
        pytest.skip("needs the package accel-config")
    text = sample.read_text(encoding="utf-8")
    bus, loaded = build(parse(text), nothing)
    assert loaded.queues
    assert loaded.skipped == ()
    saved = json.loads(render(configuring.save(bus)))
    device, shown = trailing(text)[0], saved[0]
    assert (device["dev"], device["read_buffer_limit"]) == (shown["dev"], shown["read_buffer_limit"])
    for group, found in zip(device["groups"], shown["groups"], strict=False):
        for key in ("grouped_workqueues", "grouped_engines"):
            for part, kept in zip(group[key], found[key], strict=True):
                assert part.items() <= kept.items()
    assert json.loads(render(parse(render(configuring.save(bus))))) == saved


def test_what_is_idle_is_saved_if_asked(bus: Bus) -> None:
    assert configuring.save(bus) == ()
    rows = json.loads(render(configuring.save(bus, idle=True)))
    assert len(rows[0]["ungrouped workqueues"]) == 8
    other = Bus()
    other.add_device("iax1")
    configuring.load(other, parse(json.dumps(rows)), enable=False)
    assert json.loads(render(configuring.save(other, idle=True))) == rows
    configure_defaults(bus, "iax1")
    bus.enable("iax1")
    assert "ungrouped workqueues" not in json.loads(render(configuring.save(bus)))[0]


def test_what_a_device_has_not_is_passed_over_and_told() -> None:
    rows = json.loads(json.dumps(IAX))
    rows[0]["read_buffer_limit"] = 4
    group = rows[0]["groups"][0]
    group |= {"read_buffers_allowed": 8, "use_token_limit": 1, "traffic_class_a": -1}
    group["grouped_workqueues"][0] |= {"max_batch_size": -2, "threshold": 9, "op_config": "ff"}
    _bus, loaded = build(parse(json.dumps(rows)), nothing)
    queue = "[0].groups[0].grouped_workqueues[0]"
    assert set(loaded.skipped) == {
        "[0].read_buffer_limit",
        "[0].groups[0].read_buffers_allowed",
        "[0].groups[0].use_token_limit",
        "[0].groups[0].traffic_class_a",
        f"{queue}.max_batch_size",
        f"{queue}.op_config",
        f"{queue}.threshold",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 300}, r"\[0\].groups\[0\].grouped_workqueues\[0\].size is 300; .*EINVAL"),
        ({"priority": 16}, r"\.priority is 16; .*at most 15"),
        ({"mode": "both"}, r"\.mode is 'both'; .*dedicated or shared"),
        ({"max_transfer_size": 1 << 40}, r"\.max_transfer_size is 1099511627776; "),
        ({"mode": "shared", "threshold": 65}, r"\.threshold is 65; .*1 to the queue's size, 64"),
    ],
)
def test_what_the_rules_refuse_is_told_with_its_place_and_value(change: dict[str, Any], message: str) -> None:
    rows = json.loads(json.dumps(IAX))
    rows[0]["groups"][0]["grouped_workqueues"][0] |= change
    with pytest.raises(BusError, match=message) as caught:
        build(parse(json.dumps(rows)), nothing)
    assert caught.value.name == "EINVAL"


def test_what_is_missing_is_told_at_its_place() -> None:
    rows = json.loads(json.dumps(IAX))
    del rows[0]["groups"][0]["grouped_workqueues"][1]["threshold"]
    with pytest.raises(
        BusError, match=r"grouped_workqueues\[1\]; wq1.1 is shared, and has no threshold: ENXIO"
    ) as caught:
        build(parse(json.dumps(rows)), nothing)
    assert caught.value.command_status == 0x80060000
    rows = json.loads(json.dumps(IAX))
    rows[0]["groups"][0]["grouped_workqueues"][1]["dev"] = "wq1.9"
    with pytest.raises(BusError, match=r"\[1\].dev is wq1.9, which the device has not: ENOENT"):
        build(parse(json.dumps(rows)), nothing)


def test_a_device_that_is_enabled_is_left_alone_unless_forced() -> None:
    bus, _loaded = build(parse(json.dumps(IAX)), nothing)
    again = parse(json.dumps(IAX))
    refused(errno.EBUSY, configuring.load, bus, again)
    assert configuring.load(bus, again, forced=True).devices == ("iax1",)
    assert configuring.load(bus, again, forced=True, enable=False).devices == ()
    assert bus.read("devices/iax1/state") == "disabled"
    refused(errno.ENODEV, configuring.load, Bus(), again)


def test_our_own_key_shapes_the_device() -> None:
    shape = {
        "max_engines": 2,
        "max_work_queues": 1,
        "numa_node": 1,
        "version": 256,
        "pasid_enabled": False,
        "threads": 0,
    }
    own = {**shape, "knobs": {"compress_ns": 3200, "decompress_ns": 2200.5}}
    parsed = parse(json.dumps([{"dev": "iax3", "acrypto": own, "groups": []}]))
    assert acrypto_of(parsed) == {"iax3": own}
    capabilities = parsed[0].capabilities()
    assert (capabilities.max_engines, capabilities.numa_node, capabilities.pasid_enabled) == (2, 1, False)
    assert json.loads(render(parsed))[0]["acrypto"] == own
    assert parse(json.dumps([{"dev": "dsa0", "acrypto": {"max_batch_size": 8}}]))[0].capabilities().max_batch_size == 8


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{}", "a list of devices"),
        ("[1]", r"\[0\] is a number; it is an object"),
        ("[{}]", r'\[0\] has no "dev"'),
        ('[{"dev":7}]', r"\[0\].dev is a number"),
        ('[{"dev":"iax"}]', r"\[0\].dev is 'iax'; it is a name such as iax1"),
        ('[{"dev":"iax1"},{"dev":"iax1"}]', r"\[1\].dev is iax1, which stands there twice"),
        ('[{"dev":"iax1"},{"dev":"dsa1"}]', r"\[1\].dev is dsa1, which stands there twice"),
        ('[{"dev":"iax1","colour":1,"taste":2}]', r"\[0\] has unknown keys: 'colour', 'taste'; known are"),
        ('[{"dev":"iax1","groups":{}}]', r"\[0\].groups is an object; it is a list"),
        ('[{"dev":"iax1","groups":[{"dev":"group2.0"}]}]', r"groups\[0\].dev is group2.0; .*such as group1.0"),
        ('[{"dev":"iax1","groups":[{"dev":"wq1.0"}]}]', r"groups\[0\].dev is wq1.0"),
        (
            '[{"dev":"iax1","groups":[{"dev":"group1.0","grouped_engines":[{"dev":"engine1.0","group_id":1}]}]}]',
            r"grouped_engines\[0\].group_id is 1; it stands in group1.0",
        ),
        (
            '[{"dev":"iax1","ungrouped_engines":[{"dev":"engine1.0"},{"dev":"engine1.0"}]}]',
            r"ungrouped_engines\[1\].dev is engine1.0, which stands there twice",
        ),
        ('[{"dev":"iax1","ungrouped_workqueues":[{"dev":"wq1.0","size":"8"}]}]', r"\.size is a text; it is a whole"),
        ('[{"dev":"iax1","ungrouped_workqueues":[{"dev":"wq1.0","size":8.5}]}]', r"\.size is 8.5; it is a whole"),
        ('[{"dev":"iax1","ungrouped_workqueues":[{"dev":"wq1.0","size":true}]}]', r"\.size is true or false; it is"),
        ('[{"dev":"iax1","ungrouped_workqueues":[{"dev":"wq1.0","name":null}]}]', r"\.name is null; it is a text"),
        ('[{"dev":"iax1","ungrouped_workqueues":[{"dev":"wq1.0","name":"a\\nb"}]}]', r"\.name is .* it is printable"),
        ('[{"dev":"iax1","ungrouped_workqueues":[{"dev":"wq1.0","name":"\\ud800"}]}]', r"\.name is .* printable"),
        ('[{"dev":"iax1","token_limit":1e400}]', r"token_limit is inf; it is a whole number"),
        ('[{"dev":"iax1","token_limit":NaN}]', "NaN is no number"),
        ('[{"dev":"iax1","token_limit":9223372036854775808}]', r"token_limit is out of range"),
        ('[{"dev":"iax1","token_limit":' + "9" * 5000 + "}]", "not JSON"),
        ('[{"dev":"iax1","dev":"iax2"}]', "the key 'dev' stands twice"),
        ('[{"dev":"iax1","acrypto":{"threads":65}}]', r"\.acrypto.threads is 65; it is 0 to 64"),
        ('[{"dev":"iax1","acrypto":{"threads":true}}]', r"\.acrypto.threads is true or false; it is a whole number"),
        ('[{"dev":"iax1","acrypto":{"configurable":1}}]', r"\.acrypto.configurable is a number; it is true or false"),
        ('[{"dev":"iax1","acrypto":{"knobs":{"warp":1}}}]', r"\.knobs has unknown keys: 'warp'"),
        ('[{"dev":"iax1","acrypto":{"knobs":{"other_ns":-1}}}]', r"\.knobs.other_ns is out of range"),
        *(
            (
                f'[{{"dev":"iax1","acrypto":{{"knobs":{{"{name}":1.1e10}}}}}}]',
                rf"\.knobs.{name} is .* from 0 to 1e\+10$",
            )
            for name in KNOBS
            if name.endswith("_ns")
        ),
        ('[{"dev":"iax1","acrypto":{"knobs":{"bytes_per_second":1}}}]', r"bytes_per_second is 1; .* at least 1e\+06$"),
        (nested(100_000), "nested too deep|a list|is a list"),
        ("[" + ",".join(f'{{"dev":"iax{index}"}}' for index in range(65)) + "]", "there are 65 devices"),
        ("[" + " " * MAX_BYTES, "at most 1048576"),
    ],
)
def test_what_is_no_configuration_is_refused_with_words(text: str, message: str) -> None:
    with pytest.raises(CorruptInput, match=message):
        parse(text.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(CorruptInput, match="not UTF-8"):
        parse(b'[{"dev":"\xff"}]')


def test_a_shape_that_no_device_has_is_refused_at_its_place() -> None:
    parsed = parse('[{"dev":"iax1","acrypto":{"max_engines":100}}]')
    with pytest.raises(CorruptInput, match=r"^\[0\].acrypto.max_engines is 100; it is 1 to 64$"):
        parsed[0].capabilities()


def test_commas_that_close_are_taken_but_not_inside_texts() -> None:
    queue = '{"dev":"wq1.0","name":"a,]",},'
    parsed = parse('[{"dev":"iax1","ungrouped_workqueues":[' + queue + "\n],},]")
    assert parsed[0].queues[0].settings["name"] == "a,]"


# ---- hostile input


@pytest.mark.parametrize(
    "text",
    [
        "[{" + ",".join(f'"k{at}":1' for at in range(80_000)) + ',"k79999":1}]',
        "[" + '"\\' * 520_000,
        '["' + '\\"' * 520_000,
        '["' + "\\" * 1_040_001,
        '["' + ",]" * 520_000,
        "[" + '"a",' * 260_000,
        "[" + '",' * 520_000,
        "[" + ", " * 520_000,
        "[1," + " " * 1_040_000,
        '[{"dev":"' + "9" * 1_000_000 + '"}]',
        "[0." + "3" * 1_000_000 + "]",
        "[{" + ",".join(f'"k{at}":1' for at in range(80_000)) + "}]",
    ],
    ids=lambda text: text[:12],
)
def test_no_file_takes_more_than_a_look_at_each_character(text: str) -> None:
    """Each is near the bound: with work that grows as the square of it this does not end."""
    assert len(text) <= MAX_BYTES
    with pytest.raises(CorruptInput):
        parse(text)


KEYS = [
    "dev",
    "groups",
    "grouped_workqueues",
    "grouped_engines",
    "ungrouped_engines",
    "size",
    "mode",
    "acrypto",
    "knobs",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["iax1", "iax2", "dsa0", "group1.0", "wq1.0", "wq1.1", "engine1.0", "shared", "kernel", *KNOBS])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=24,
)


def try_whole(data: bytes | str) -> None:
    """Reads, and if that goes, configures devices with it; only our own errors come out."""
    try:
        parsed = parse(data)
        assert parse(render(parsed)) == parse(render(parse(render(parsed))))
        bus, _loaded = build(parsed, nothing)
    except (CorruptInput, BusError):
        return
    total = {device: int(bus.read(f"devices/{device}/max_work_queues_size")) for device in bus.devices()}
    for device, most in total.items():
        queues = [name for name in bus.list(f"devices/{device}") if name.startswith("wq")]
        assert sum(int(bus.read(f"devices/{queue}/size")) for queue in queues) <= most


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try_whole(data)


@pytest.mark.slow
@given(VALUES)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try_whole(json.dumps(value))
    try_whole(json.dumps([value]))


@pytest.mark.slow
@given(st.data())
def test_a_configuration_with_one_thing_changed_is_read_or_refused(data: st.DataObject) -> None:
    rows = json.loads(json.dumps(IAX))
    place: Any = rows
    for _step in range(data.draw(st.integers(0, 6))):
        if isinstance(place, dict) and place:
            key = data.draw(st.sampled_from(sorted(place)))
        elif isinstance(place, list) and place:
            key = data.draw(st.integers(0, len(place) - 1))
        else:
            break
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(VALUES)
            break
        place = place[key]
    try_whole(json.dumps(rows))
    text = json.dumps(rows)
    at = data.draw(st.integers(0, len(text)))
    try_whole(text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :])


def test_threads_of_all_devices_together_are_bounded() -> None:
    row = '{{"dev":"iax{}","acrypto":{{"threads":60}}}}'
    parse("[" + ",".join(row.format(2 * index + 1) for index in range(2)) + "]")
    with pytest.raises(CorruptInput, match=r"180 threads together; there may be 128"):
        parse("[" + ",".join(row.format(2 * index + 1) for index in range(3)) + "]")
