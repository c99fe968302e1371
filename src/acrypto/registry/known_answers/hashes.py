"""Digests, checksums and message authentication codes."""

from __future__ import annotations

from acrypto.registry.known_answers.answer import Answer, checked, counting

ABC = b"abc"
BITS_448 = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
BITS_896 = (
    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
)
CHECK = b"123456789"

#: FIPS 180-4 and FIPS 202: NIST, "Examples with Intermediate Values".
NIST = {
    "sha1": (BITS_448, "a9993e364706816aba3e25717850c26c9cd0d89d", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    "sha224": (
        BITS_448,
        "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525",
    ),
    "sha256": (
        BITS_448,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    "sha384": (
        BITS_896,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039",
    ),
    "sha512": (
        BITS_896,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
        "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
    ),
    "sha3-224": (
        BITS_896,
        "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
        "543e6868e1666c1a643630df77367ae5a62a85070a51c14cbf665cbc",
    ),
    "sha3-256": (
        BITS_896,
        "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        "916f6061fe879741ca6469b43971dfdb28b1a32dc36cb3254e812be27aad1d18",
    ),
    "sha3-384": (
        BITS_896,
        "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
        "79407d3b5916b59c3e30b09822974791c313fb9ecc849e406f23592d04f625dc8c709b98b43b3852b337216179aa7fc7",
    ),
    "sha3-512": (
        BITS_896,
        "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"
        "10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        "afebb2ef542e6579c50cad06d2e578f9f8dd6881d7dc824d26360feebf18a4fa"
        "73e3261122948efcfd492e74e82e2189ed0fb440d187f382270cb455f21dd185",
    ),
}

#: BLAKE2b: RFC 7693 appendix A; nothing, and 32 bytes: hashlib. BLAKE3: test_vectors.json (bytes that count to 250).
BLAKE2B = (
    (
        ABC,
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    ),
    (
        b"",
        "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
        "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce",
    ),
)
BLAKE2B_256_ABC = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
BLAKE3 = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
}
#: The catalogue of parametrised CRC algorithms; PNG's last chunk (W3C PNG 5.3); RFC 3720 B.4.
CRC = {
    "crc32": ((CHECK, "cbf43926"), (b"IEND", "ae426082"), (b"", "00000000")),
    "crc32c": ((CHECK, "e3069283"), (bytes(32), "8a9136aa"), (bytes(range(31, -1, -1)), "113fdb5c")),
}

JEFE = b"what do ya want for nothing?"
LONG_KEY = b"Test Using Larger Than Block-Size Key - Hash Key First"
#: RFC 2202 (SHA-1) and RFC 4231, test cases 2 and 6.
HMAC = {
    "hmac(sha1)": ("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", 80, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    "hmac(sha224)": (
        "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
        131,
        "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
    ),
    "hmac(sha256)": (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        131,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    "hmac(sha384)": (
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        131,
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
    ),
    "hmac(sha512)": (
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        131,
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
        "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    ),
}
#: NIST, "Examples with Intermediate Values", HMAC with SHA-3, sample 1: a key that counts up from 0, of this length.
HMAC_SHA3 = {
    "hmac(sha3-224)": (28, "332cfd59347fdb8e576e77260be4aba2d6dc53117b3bfb52c6d18c04"),
    "hmac(sha3-256)": (32, "4fe8e202c4f058e8dddc23d8c34e467343e23555e24fc2f025d598f558f67205"),
    "hmac(sha3-384)": (
        48,
        "d588a3c51f3f2d906e8298c1199aa8ff6296218127f6b38a90b6afe2c5617725bc99987f79b22a557b6520db710b7f42",
    ),
    "hmac(sha3-512)": (
        64,
        "4efd629d6c71bf86162658f29943b1c308ce27cdfa6db0d9c3ce81763f9cbce5"
        "f7ebe9868031db1a8f8eb7b6b95e5c5e3f657a8996c86a2f6527e307f0213196",
    ),
}
#: hashlib and hmac, RFC 4231's message and key of test case 2: published nowhere.
HMAC_BLAKE2B = (
    "6ff884f8ddc2a6586b3c98a4cd6ebdf14ec10204b6710073eb5865ade37a2643"
    "b8807c1335d107ecdb9ffeaeb6828c4625ba172c66379efcd222c2de11727ab4"
)
#: SP 800-38B, examples for AES-128 and AES-256: of nothing, 16, 40 and 64 bytes of SP 800-38A's message.
CMAC_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
CMAC = {
    "2b7e151628aed2a6abf7158809cf4f3c": {
        0: "bb1d6929e95937287fa37d129b756746",
        16: "070a16b46b4d4144f79bdd9dd04a287c",
        40: "dfa66747de9ae63030ca32611497c827",
        64: "51f0bebf7e3b9d92fc49741779363cfe",
    },
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4": {
        0: "028962f61b7bf89efc6b551f4667d983",
        40: "aaf3d8f1de5640c232f5b169b9c911e6",
        64: "e1992190549f6ed5696a2c056c315410",
    },
}


def digests(name: str) -> list[Answer]:
    """Of a digest or checksum."""
    if name in NIST:
        long, of_abc, of_long = NIST[name]
        return [_digest(ABC, of_abc, "NIST's example 1"), _digest(long, of_long, "NIST's example 2")]
    if name == "blake2b":
        answers = [_digest(message, digest, "RFC 7693") for message, digest in BLAKE2B]
        return [*answers, _digest(ABC, BLAKE2B_256_ABC, "BLAKE2b-256 of abc", digest_size=32)]
    if name == "blake3":
        message = bytes(range(251)) * 5
        return [_digest(message[:size], digest, "BLAKE3's test_vectors.json") for size, digest in BLAKE3.items()]
    return [_digest(message, crc, "a published check value") for message, crc in CRC.get(name, ())]


def _digest(message: bytes, digest: str, source: str, **params: int) -> Answer:
    return Answer("digest", (message,), bytes.fromhex(digest), source, **params)


def macs(name: str) -> list[Answer]:
    """Of a message authentication code: the tag, its check, and the check of a wrong one."""
    if name in HMAC:
        of_jefe, key_len, of_long = HMAC[name]
        rfc = "RFC 2202" if name == "hmac(sha1)" else "RFC 4231"
        long = checked("mac", LONG_KEY, bytes.fromhex(of_long), f"{rfc}, case 6", b"\xaa" * key_len)
        return [*checked("mac", JEFE, bytes.fromhex(of_jefe), f"{rfc}, case 2", b"Jefe"), *long]
    if name in HMAC_SHA3:
        key_len, tag = HMAC_SHA3[name]
        message = b"Sample message for keylen<blocklen"
        return checked("mac", message, bytes.fromhex(tag), "NIST's sample 1", counting(0, key_len))
    if name == "hmac(blake2b)":
        return checked("mac", JEFE, bytes.fromhex(HMAC_BLAKE2B), "hashlib", b"Jefe")
    if name == "cmac(aes)":
        return [
            answer
            for key, tags in CMAC.items()
            for size, tag in tags.items()
            for answer in checked("mac", CMAC_MESSAGE[:size], bytes.fromhex(tag), "SP 800-38B", bytes.fromhex(key))
        ]
    return []
