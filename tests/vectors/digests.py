"""Known answers of digests and checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.vectors import nist
from tests.vectors.answer import Answer

FILES = {
    "sha1": "hashes/SHA1/SHA1",
    "sha224": "hashes/SHA2/SHA224",
    "sha256": "hashes/SHA2/SHA256",
    "sha384": "hashes/SHA2/SHA384",
    "sha512": "hashes/SHA2/SHA512",
    "sha3-224": "hashes/SHA3/SHA3_224",
    "sha3-256": "hashes/SHA3/SHA3_256",
    "sha3-384": "hashes/SHA3/SHA3_384",
    "sha3-512": "hashes/SHA3/SHA3_512",
}

#: The catalogue of parametrised CRC algorithms gives this message for all; RFC 3720 B.4 the others for CRC-32C.
CHECK = b"123456789"
CRC32C = {
    bytes(32): "8a9136aa",
    b"\xff" * 32: "62a8ab43",
    bytes(range(32)): "46dd794e",
    bytes(range(31, -1, -1)): "113fdb5c",
    CHECK: "e3069283",
    b"": "00000000",
}
#: The specification of PNG, annex D; and the type of PNG's last chunk, whose checksum ends every such file.
CRC32 = {CHECK: "cbf43926", b"IEND": "ae426082", b"": "00000000", b"a": "e8b7be43"}

#: BLAKE3's test_vectors.json: by length of the input, whose bytes count 0 to 250 over and over.
BLAKE3 = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    2048: "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
    2049: "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
    3072: "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
    4096: "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969",
    8192: "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63",
    16384: "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4",
    31744: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}
#: The same file's extended output of the empty input, as far as it goes.
BLAKE3_LONG = BLAKE3[0] + (
    "e00f03e7b69af26b7faaf09fcd333050338ddfe085b8cc869ca98b206c08243a26f5487789e8f660afe6c99ef9e0c52b92e7393024a80459"
    "cf91f476f9ffdbda7001c22e159b402631f277ca96f2defdf1078282314e763699a31c5363165421cce14d"
)
#: BLAKE2b's shorter digests of "abc", by hashlib.
BLAKE2B_ABC = {
    20: "384264f676f39536840523f284921cdc68b6846b",
    32: "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
    48: "6f56a82c8e7ef526dfe182eb5212f7db9df1317e57815dbda46083fc30f54ee6c66ba83be64b302d7cba6ce15bb556f4",
}


def one(name: str, message: bytes, digest: str, origin: str, **parameters: object) -> Answer:
    return Answer(name, "digest", (message,), bytes.fromhex(digest), origin, parameters)


def from_file(name: str, path: str) -> Iterator[Answer]:
    for number, record in enumerate(nist.records(path, "md")):
        message = bytes.fromhex(record["msg"])[: int(record["len"]) // 8]
        yield one(name, message, record["md"], f"{path} {number}")


def nist_hash(name: str) -> Iterator[Answer]:
    for kind in ("ShortMsg", "LongMsg"):
        yield from from_file(name, f"{FILES[name]}{kind}.rsp")


def blake2b(name: str) -> Iterator[Answer]:
    yield from from_file(name, "hashes/blake2/blake2b.txt")
    for size, digest in BLAKE2B_ABC.items():
        yield one(name, b"abc", digest, f"hashlib, {size} bytes", digest_size=size)


def blake3(name: str) -> Iterator[Answer]:
    for length, digest in BLAKE3.items():
        message = (bytes(range(251)) * (length // 251 + 1))[:length]
        yield one(name, message, digest, f"BLAKE3 test_vectors.json, {length}")
    for size in (1, 31, 33, 64, 65, len(BLAKE3_LONG) // 2):
        yield one(name, b"", BLAKE3_LONG[: 2 * size], f"BLAKE3 test_vectors.json, 0 to {size}", digest_size=size)


def crc32(name: str) -> Iterator[Answer]:
    for message, crc in CRC32.items():
        yield one(name, message, crc, f"CRC-32 of {message!r}")


def crc32c(name: str) -> Iterator[Answer]:
    for message, crc in CRC32C.items():
        yield one(name, message, crc, f"RFC 3720 B.4, {message!r}")


ANSWERS: dict[str, Callable[[str], Iterator[Answer]]] = dict.fromkeys(FILES, nist_hash) | {
    "blake2b": blake2b,
    "blake3": blake3,
    "crc32": crc32,
    "crc32c": crc32c,
}
