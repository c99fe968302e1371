"""Descriptors and records lie bit for bit as the kernel's header has them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrypto.idxd import descriptor as wire
from acrypto.idxd.descriptor import SIZE, CompletionRecord, Descriptor
from acrypto.model.errors import UsageError

HEADER = Path("/usr/include/linux/idxd.h")
#: Ours, theirs; bytes.
DESCRIPTOR = {
    "completion_addr": ("completion_addr", 8),
    "src1_addr": ("src1_addr", 8),
    "dst_addr": ("dst_addr", 8),
    "src1_size": ("src1_size", 4),
    "int_handle": ("int_handle", 2),
    "codec_flags": ("compr_flags", 2),
    "src2_addr": ("src2_addr", 8),
    "max_dst_size": ("max_dst_size", 4),
    "src2_size": ("src2_size", 4),
    "filter_flags": ("filter_flags", 4),
    "num_inputs": ("num_inputs", 4),
}
RECORD = {
    "status": ("status", 1),
    "error_code": ("error_code", 1),
    "fault_info": ("rsvd", 1),
    "bytes_completed": ("bytes_completed", 4),
    "fault_addr": ("fault_addr", 8),
    "invalid_flags": ("invalid_flags", 4),
    "reserved2": ("rsvd2", 4),
    "output_size": ("output_size", 4),
    "output_bits": ("output_bits", 1),
    "reserved3": ("rsvd3", 1),
    "xor_csum": ("xor_csum", 2),
    "crc": ("crc", 4),
    "min": ("min", 4),
    "max": ("max", 4),
    "sum": ("sum", 4),
    "reserved4": ("rsvd4", 8),
}
#: Where a number of ours is called otherwise in the header.
PREFIXES = {
    wire.Opcode: "IAX_OPCODE_",
    wire.CompletionStatus: "IAX_COMP_",
    wire.Flag: "IDXD_OP_FLAG_",
}
RENAMED = {"BLOCK_ON_FAULT": "BOF"}
#: Not in the header: QPL and the architecture specification have it.
ABSENT = {"AECS_RW_TOGGLE"}


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Offsets and numbers, as a C compiler reads the header."""
    compiler = shutil.which("cc")
    if compiler is None or not HEADER.exists():
        pytest.skip(f"needs a C compiler and {HEADER}")
    asked = {f"d.{theirs}": f"offsetof(struct iax_hw_desc, {theirs})" for theirs, _ in DESCRIPTOR.values()}
    asked |= {f"r.{theirs}": f"offsetof(struct iax_completion_record, {theirs})" for theirs, _ in RECORD.values()}
    asked |= {"d": "sizeof(struct iax_hw_desc)", "r": "sizeof(struct iax_completion_record)"}
    asked |= {"mask": "DSA_COMP_STATUS_MASK", "write": "DSA_COMP_STATUS_WRITE"}
    for kind, prefix in PREFIXES.items():
        names = [prefix + RENAMED.get(name, name) for name in kind.__members__ if name not in ABSENT]
        asked |= {name: name for name in names}
    bits = "struct iax_hw_desc b = {0}; b.pasid = 0x12345; b.priv = 1; b.flags = 0x876543; b.opcode = 0xa9;"
    lines = "\n".join(f'printf("{name} %lu\\n", (unsigned long)({value}));' for name, value in asked.items())
    words = 'printf("w0 %u\\nw1 %u\\n", ((unsigned *)&b)[0], ((unsigned *)&b)[1]);'
    includes = "#include <linux/idxd.h>\n#include <stddef.h>\n#include <stdio.h>\n"
    source = f"{includes}int main(void) {{ {bits}\n{lines}\n{words} }}"
    folder = tmp_path_factory.mktemp("header")
    (folder / "ask.c").write_text(source)
    subprocess.run([compiler, "-o", folder / "ask", folder / "ask.c"], check=True)
    told = subprocess.run([folder / "ask"], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in (line.split() for line in told.splitlines())}


def place(packed: bytes) -> tuple[int, int]:
    """Where bytes of ones begin, and how many there are."""
    return packed.index(0xFF), packed.count(0xFF)


def test_every_field_lies_where_the_header_has_it(header: dict[str, int]) -> None:
    assert (header["d"], header["r"]) == (SIZE, SIZE)
    for ours, (theirs, size) in DESCRIPTOR.items():
        packed = replace(Descriptor(), **{ours: (1 << 8 * size) - 1}).pack()
        assert place(packed) == (header[f"d.{theirs}"], size), ours
    for ours, (theirs, size) in RECORD.items():
        packed = replace(CompletionRecord(), **{ours: (1 << 8 * size) - 1}).pack()
        assert place(packed) == (header[f"r.{theirs}"], size), ours


def test_bit_fields_lie_where_the_compiler_puts_them(header: dict[str, int]) -> None:
    packed = Descriptor(pasid=0x12345, priv=True, flags=0x876543, opcode=0xA9).pack()
    assert packed[:8] == header["w0"].to_bytes(4, "little") + header["w1"].to_bytes(4, "little")


def test_numbers_are_the_headers(header: dict[str, int]) -> None:
    for kind, prefix in PREFIXES.items():
        for name, value in kind.__members__.items():
            if name not in ABSENT:
                assert header[prefix + RENAMED.get(name, name)] == value, name
    assert (header["mask"], header["write"]) == (wire.STATUS_MASK, wire.STATUS_WRITE)


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_what_is_unpacked_packs_to_the_same(data: bytes) -> None:
    assert Descriptor.unpack(data).pack() == data
    assert CompletionRecord.unpack(data).pack() == data


def test_all_fields_are_told() -> None:
    assert {field.name for field in fields(Descriptor)} - {*DESCRIPTOR} == {
        "opcode", "flags", "pasid", "reserved", "priv"
    }  # fmt: skip


def test_what_does_not_fit_is_refused() -> None:
    for wrong in ({"opcode": 256}, {"flags": 1 << 24}, {"src1_size": 1 << 32}, {"dst_addr": -1}, {"pasid": 1 << 20}):
        with pytest.raises(UsageError):
            Descriptor(**wrong).pack()
    with pytest.raises(UsageError, match="64 bytes, not 63"):
        Descriptor.unpack(bytes(63))
