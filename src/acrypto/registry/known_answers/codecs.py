"""Compressed messages. What a codec makes of a message is its own choice, so only decompressing has known answers."""

from __future__ import annotations

from acrypto.registry.known_answers.answer import Answer

#: The message of the kernel's own vectors.
JOIN = b"Join us now and share the software " * 2
ZEROS = bytes(100_000)
#: The kernel's deflate vector: zlib at level 6 with a window of 2 KiB makes the same.
KERNEL = "f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b290771bc082b0100"
#: As libdeflate has it.
BGZF_KERNEL = "f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b294f2c4a55f022ac0400"
HALF = "f3cacfcc53282d56c8cb2f5748cc4b5128ce482c4a5528c9485528ce4f2b2907710096749df023000000"
STORED = "014600b9ff" + JOIN.hex()
#: Bodies in the canned code, of the device and of its software twin (linux-crypto, 2024).
CANNED_DEVICE = "6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb7101e53f"
CANNED_SOFTWARE = "6d234323a47131d288c861527584561a13a28ed649634374d298c8e0d8615869cb77f90f"
PLAIN_GZIP = "1f8b0800000000000003"
TRAILER = "d246449346000000"
#: An empty block of BGZF, with which its files end.
BGZF_END = "1f8b08040000000000ff0600424302001b0003000000000000000000"
LZ4_BLOCK = "f0104a6f696e207573206e6f7720616e642073686172652074686520736f6674770d000f23000b507761726520"

#: What the reference tools made (zlib 1.2.13, gzip 1.12, bgzip 1.16, zstd 1.5.4, lz4 1.9.4), with the message.
FRAMES = {
    # RFC 1951 3.2.4 for the stored block.
    "deflate": [(KERNEL, JOIN), ("0300", b""), (STORED, JOIN)],
    "deflate-canned": [(CANNED_DEVICE, JOIN), (CANNED_SOFTWARE, JOIN)],
    "zlib": [
        ("789c" + KERNEL + "7c65193d", JOIN),
        ("789c030000000001", b""),
        ("78daedc13101000000c2a0f54f6d0d0fa0" + "00" * 96 + "80570386af0001", ZEROS),
    ],
    # The last one is two members.
    "gzip": [
        (PLAIN_GZIP + KERNEL + TRAILER, JOIN),
        (PLAIN_GZIP + "03000000000000000000", b""),
        (2 * (PLAIN_GZIP + HALF), JOIN),
    ],
    "bgzf": [
        ("1f8b08040000000000ff0600424302004100" + BGZF_KERNEL + TRAILER + BGZF_END, JOIN),
        (BGZF_END, b""),
    ],
    "zstd": [
        (
            "28b52ffd2446450100f84a6f696e207573206e6f7720616e642073686172652074686520736f66747702008c2230acd3098dffbc11",
            JOIN,
        ),
        ("28b52ffd240001000099e9d851", b""),
        ("28b52ffd045855000010000001009b8639c002db234ef3", ZEROS),
    ],
    "lz4": [
        (f"04224d186440a72d000000{LZ4_BLOCK}00000000b170a377", JOIN),
        ("04224d186440a700000000055dcc02", b""),
        ("04224d1864500893010000" + "1f000100" + "ff" * 392 + "0f50000000000000000000d339cec9", ZEROS),
    ],
    "lz4-block": [(LZ4_BLOCK, JOIN), ("50" + b"hello".hex(), b"hello"), ("00", b"")],
}
#: Other names of the field for the same formats.
FRAMES["zlib-deflate"] = FRAMES["zlib"]
FRAMES["lz4hc"] = FRAMES["lz4-block"]


def codecs(name: str) -> list[Answer]:
    """Of a codec."""
    return [
        Answer("decompress", (bytes.fromhex(frame),), message, "the reference tool")
        for frame, message in FRAMES.get(name, ())
    ]
