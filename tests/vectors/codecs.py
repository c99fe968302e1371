"""Known answers of codecs: what the reference tools made of one message, in hexadecimal.

A codec may choose its output, so no compressed bytes are prescribed, except where nothing is left to choose (deflate's
stored blocks). Compressing is known to be right when an independent decoder reads it: see tests/interop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.vectors.answer import Answer

#: The message of the kernel's own vectors (crypto/testmgr.h).
JOIN = b"Join us now and share the software " * 2
ZEROS = bytes(100_000)
#: The kernel's deflate vector; also zlib 1.2.13 at level 6, and gzip 1.12 and pigz 2.6 inside their frames.
KERNEL = "f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b290771bc082b0100"
BGZF = "f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b294f2c4a55f022ac0400"
BGZF_END = "1f8b08040000000000ff0600424302001b0003000000000000000000"
BGZF_ODD = "1f8b08040000000000ff0b0058590100614243020046" + "00" + BGZF + "d246449346000000"
HALF = "f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b2907710096749df023000000"
STORED = "014600b9ff" + JOIN.hex()
PLAIN_GZIP = "1f8b0800000000000003"
TRAILER = "d246449346000000"
LZ4_BLOCK = "2d000000f0104a6f696e207573206e6f7720616e642073686172652074686520736f6674770d000f23000b507761726520"

CANNED_DEVICE = "6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb7101e53f"
CANNED_SOFTWARE = "6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb77f90f"

FRAMES: dict[str, list[tuple[str, str, bytes]]] = {
    "deflate": [
        ("the kernel's testmgr.h", KERNEL, JOIN),
        ("zlib, nothing", "0300", b""),
        ("RFC 1951 3.2.4, stored", STORED, JOIN),
    ],
    "deflate-canned": [
        ("the device, linux-crypto 2024", CANNED_DEVICE, JOIN),
        ("its software twin, linux-crypto 2024", CANNED_SOFTWARE, JOIN),
    ],
    "zlib": [
        ("zlib, level 6", "789c" + KERNEL + "7c65193d", JOIN),
        ("zlib, window of 512 bytes", "1895" + KERNEL + "7c65193d", JOIN),
        ("zlib, nothing", "789c030000000001", b""),
        ("zlib, stored", "7801" + STORED + "7c65193d", JOIN),
        ("zlib, level 9", "78daedc13101000000c2a0f54f6d0d0fa0" + "00" * 96 + "80570386af0001", ZEROS),
    ],
    "gzip": [
        ("gzip -9n, pigz -n", PLAIN_GZIP + KERNEL + TRAILER, JOIN),
        ("gzip -n, nothing", PLAIN_GZIP + "03000000000000000000", b""),
        ("gzip of a named file", "1f8b08080100000000036e616d652e74787400" + KERNEL + TRAILER, JOIN),
        (
            "igzip",
            "1f8b080805f7006b00036a6f696e00f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b29077188500200"
            + TRAILER,
            JOIN,
        ),
        ("gzip -n of each half, joined", 2 * (PLAIN_GZIP + HALF), JOIN),
        (
            "RFC 1952 with every optional field",
            "1f8b081e000000000003" + "0400" + "41420000" + "6e00" + "6300" + "1e14" + KERNEL + TRAILER,
            JOIN,
        ),
    ],
    "bgzf": [
        ("bgzip -l 6", "1f8b08040000000000ff0600424302004100" + BGZF + TRAILER + BGZF_END, JOIN),
        ("bgzip, nothing", BGZF_END, b""),
        ("SAM 4.1.1, a subfield before ours", BGZF_ODD + BGZF_END, JOIN),
    ],
    "zstd": [
        (
            "zstd",
            "28b52ffd2446450100f84a6f696e207573206e6f7720616e642073686172652074686520736f66747702008c2230acd3098dffbc11",
            JOIN,
        ),
        (
            "zstd --no-check",
            "28b52ffd2046450100f84a6f696e207573206e6f7720616e642073686172652074686520736f66747702008c2230acd309",
            JOIN,
        ),
        (
            "zstd --ultra -22, of a pipe",
            "28b52ffd04883d01003282070cd03da0a482459c010191282d9f8c5e42fdd47e324a2f176fbc2bff0c2101006348f5048dffbc11",
            JOIN,
        ),
        ("zstd, nothing", "28b52ffd240001000099e9d851", b""),
        ("zstd, zeros", "28b52ffd045855000010000001009b8639c002db234ef3", ZEROS),
        ("RFC 8878 3.1.2, a skippable frame before one", "502a4d1803000000aabbcc28b52ffd240001000099e9d851", b""),
    ],
    "lz4": [
        ("lz4", f"04224d186440a7{LZ4_BLOCK}00000000b170a377", JOIN),
        ("lz4 -9 --content-size", f"04224d186c404600000000000000e0{LZ4_BLOCK}00000000b170a377", JOIN),
        ("lz4 -BD -B4 -BX", f"04224d187440bd{LZ4_BLOCK}22549dd600000000b170a377", JOIN),
        ("lz4 --no-frame-crc", f"04224d18604082{LZ4_BLOCK}00000000", JOIN),
        ("lz4, nothing", "04224d186440a700000000055dcc02", b""),
        (
            "lz4, zeros",
            "04224d1864500893010000" + "1f000100" + "ff" * 392 + "0f50000000000000000000d339cec9",
            ZEROS,
        ),
        (
            "lz4_Frame_format.md, a skippable frame before one",
            "5f2a4d180100000000" + "04224d186440a700000000055dcc02",
            b"",
        ),
    ],
    "lz4-block": [
        ("lz4's only block", LZ4_BLOCK[8:], JOIN),
        ("lz4_Block_format.md, literals alone", "50" + b"hello".hex(), b"hello"),
        ("lz4_Block_format.md, nothing", "00", b""),
    ],
}


def answers(name: str) -> Iterator[Answer]:
    for origin, frame, message in FRAMES[name]:
        packed = bytes.fromhex(frame)
        yield Answer(name, "decompress", (packed,), message, origin, {})
    if name == "deflate":
        yield Answer(name, "compress", (JOIN,), bytes.fromhex(STORED), "RFC 1951 3.2.4, stored", {"level": 0})


ANSWERS: dict[str, Callable[[str], Iterator[Answer]]] = dict.fromkeys(FRAMES, answers)
