"""Authenticated encryption, plain and composed."""

from __future__ import annotations

from acrypto.registry.known_answers.answer import Answer, both_ways, counting

#: Key, nonce, additional data, plaintext, ciphertext and tag; how long the tag is, their sizes tell.
ROWS = {
    # McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4 and 16.
    "gcm(aes)": [
        (
            "feffe9928665731c6d6a8f9467308308" * copies,
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            sealed,
        )
        for copies, sealed in (
            (
                1,
                "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
                "1ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
            ),
            (
                2,
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
            ),
        )
    ],
    # RFC 3610, packet vector 1; NIST CAVP, VNT128 count 40.
    "ccm(aes)": [
        (
            counting(0xC0, 16).hex(),
            "00000003020100a0a1a2a3a4a5",
            counting(0, 8).hex(),
            counting(8, 23).hex(),
            "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0",
        ),
        (
            "e6ab9e70a4fb51b01c2e262233e64c0d",
            "74e689eb5af9441dd690a6",
            "42f6518ee0fbe42f28e13b4bb2eb60517b37c9744394d9143393a879c3e107c7",
            "ba15916733550d7aa82b2f6b117cd3f54c83ddc16cd0288a",
            "dcc151443288f35d39ed8fae6f0ce1d1eb656f4f7fd65c0b16f322ce85d7c54e71ac560fd4da9651",
        ),
    ],
    # RFC 8439 2.8.2.
    "chacha20-poly1305": [
        (
            counting(0x80, 32).hex(),
            "070000004041424344454647",
            "50515253c0c1c2c3c4c5c6c7",
            (
                b"Ladies and Gentlemen of the class of '99: "
                b"If I could offer you only one tip for the future, sunscreen would be it."
            ).hex(),
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
            "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
            "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
        )
    ],
    # draft-mcgrew-gcm-test-01, the first with AES-128 and the first with AES-192.
    "rfc4106(gcm(aes))": [
        (
            "4c80cdefbb5d10da906ac73c3613a6342e443b68",
            "4956ed7e3b244cfe",
            "000043218765432100000000",
            "45000048699a000080114db7c0a80102c0a801010a9bf15638d3010000010000"
            "00000000045f736970045f756470037369700963796265726369747902646b00"
            "0021000101020201",
            "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34"
            "cfa2436f14a3f3cf65925bf1f4a13c5d15b21e1884f5ff6247aeabb786b93bce"
            "61bc17d768fd9732459018148f6cbe722fd04796562dfdb4",
        ),
        (
            "feffe9928665731c6d6a8f9467308308feffe9928665731ccafebabe",
            "facedbaddecaf888",
            "0000a5f80000000a",
            "45000028a4ad4000400678800a01038f0a010612802306b8cb712602dd6bb03e501016d075680001",
            "a5b1f8066029aea40e598b8122de02420938b3ab33f828e687b8858b5bfbdbd0"
            "315b27452144cc7795457b9652037f5318027b5b4cd7a636",
        ),
    ],
    # Made with OpenSSL 3 out of GCM without plaintext, RFC 4543 3.
    "rfc4543(gcm(aes))": [
        (
            counting(0, 32).hex() + counting(0x20, 4).hex(),
            counting(0x30, 8).hex(),
            counting(0x40, 8).hex(),
            counting(0x50, 21).hex(),
            counting(0x50, 21).hex() + "5c51c8218664381453572901a402ea06",
        )
    ],
    # Made with OpenSSL 3 out of CCM, RFC 4309 4; the second has a tag of 8 bytes.
    "rfc4309(ccm(aes))": [
        (
            counting(0, 16).hex() + counting(0x20, 3).hex(),
            counting(0x30, 8).hex(),
            counting(0x40, 8).hex(),
            counting(0x50, 21).hex(),
            "d68a897ad472b219a62d1c2b5d5f49089408d87969e0870edda4461d86d6adfc0ac13277e0",
        ),
        (
            counting(0, 32).hex() + counting(0x20, 3).hex(),
            counting(0x30, 8).hex(),
            counting(0x40, 12).hex(),
            counting(0x50, 33).hex(),
            "064ae28739b1cf326efd870e1fc2ea09079890396a774d713b6f2cc7a0b7fc781fd6fddb8b34351f01",
        ),
    ],
    # RFC 7634 appendix A.
    "rfc7539esp(chacha20,poly1305)": [
        (
            counting(0x80, 32).hex() + "a0a1a2a3",
            "1011121314151617",
            "0102030400000005",
            "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
            "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
            "2425262728292a2b2c2d2e2f303132333435363701020204",
            "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c6"
            "14ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9befe2facc638e8f3"
            "cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43",
        )
    ],
}
ROWS["rfc7539(chacha20,poly1305)"] = ROWS["chacha20-poly1305"]

#: Made with OpenSSL 3 and hashlib: CBC, key counts from 60h, IV from 20h, 48 bytes of plaintext from 80h; the MAC is
#: under a key that counts from 0, as long as the digest. Additional data from 40h: 8 bytes (authenc), 12 (authencesn),
#: 8 and the IV (essiv: the salt is the hash of the cipher's key, then the MAC's). Bytes of both keys; what comes of it.
CBC_128 = "7a9da59cbbf13db65db25f8349a22b62d395820267d961c74a93cb0116f509ed80e86e72832fcaa6badb7721dd8e4753"
CBC_256 = "48dae09b0b067e5c3a0aa417f17e2a2639d9cbe13fdacb8ba8bd14e03546d55ad586555d49ca67d9d92dcd7b95072ead"
ESSIV_256 = "3dc0d973dda62fa612ce7320a19bb6fae756ca70bbda634201bf9762ec0e164c9c4897efa9b0bbcd2bb77a11b23cb310"
COMPOSED = {
    "authenc(hmac(sha1),cbc(aes))": (
        20,
        16,
        CBC_128 + "bab80553417f8c44dce4af3b079e7b6fec2364ac",
    ),
    "authenc(hmac(sha256),cbc(aes))": (
        32,
        32,
        CBC_256 + "803f76f63fee03cbd3069aee97f9c7627f1d0a7995e139b4e9860c6244ca0736",
    ),
    "authenc(hmac(sha384),cbc(aes))": (
        48,
        32,
        CBC_256 + "6e7b6d1e930b2e321a07042f935504f09a53733853dfcd8cd9d198bdce9dcd137f3894cb918a0a1e63dea8953c8a1e4a",
    ),
    "authenc(hmac(sha512),cbc(aes))": (
        64,
        32,
        CBC_256 + "f6a666c29fcfbf780683064d9dff01ab81ce93826b08364c11d4eeb091434db4"
        "f67e0bf8ccd59a3196da53a89c9a7d54a1cbb26e5afa28db4806b29e8c14b43c",
    ),
    "authencesn(hmac(sha1),cbc(aes))": (
        20,
        16,
        CBC_128 + "40ef23bff5f76a53d24bc4b0b312ffb7f789cffa",
    ),
    "authencesn(hmac(sha256),cbc(aes))": (
        32,
        32,
        CBC_256 + "f3800f439dc3099c2dbca6ec312f63e29a3216d6bb52d8a6ca0df7257b38c3be",
    ),
    "essiv(authenc(hmac(sha256),cbc(aes)),sha256)": (
        32,
        32,
        ESSIV_256 + "78779a9b4d9c5cc9686cc0019d6f0ae03a1ccb821a675fa5a6cb0782dce7f143",
    ),
}

#: Made with pyca/cryptography out of the AEAD alone, unit by unit: a key that counts from 80h, 40 bytes that count from
#: 0 in units of 16, "header" beside each, the last with the final flag, the counter from 00 FF .. FE on. Bytes of the
#: key; what comes of it; the tag of nothing at all, with the counter at 0 and nothing beside it.
STREAMED = {
    "stream(chacha20-poly1305)": [
        (
            32,
            "b70be4c8e8f1d5c4f81e47bc1851c11b89c573e673d69516336a4fb460bfa0fb59db2861b718f921798dea950f6352db"
            "8448803c269cb488bf1e07b4b744b5f080d6467ebbbb51b6f11f313c0960ede5deed59f05bdd7e2e",
            "84122aad05be1e7bff856de710ab32a4",
        )
    ],
    "stream(gcm(aes))": [
        (
            16,
            "cc35ea6c1e0cae44b7ea781810520e5e0bcdf931b64ab2d3c3efab77114d7105c77dd3dbce8351c6f64cb4e2e82c682e"
            "077db0802dbd2915bd8f068a9be5c442c56b187eec3b286dc4f3dd88774d9b88d6ae668a580b21b4",
            "b6e15a0c88280bd10f5ab6500158bfad",
        ),
        (
            32,
            "666c87f42f663664b3a45f1ea33637af6c7af9cfac38bfa1ec9dded7e96b0d3efdca0f2459a1166c77c635c430625c9f"
            "29857481a08c97f13f0a65b3f41fdc58621fd06c7baca677a9b26d61c42b581d214ee0786d36c601",
            "d7a0c85fbb771da67dd7c33a04ffcd6e",
        ),
    ],
}


def authenc_key(mac_key: bytes, cipher_key: bytes) -> bytes:
    """The kernel's blob of two keys: an attribute header, the second one's length, both keys."""
    return b"\x08\0\x01\0" + len(cipher_key).to_bytes(4, "big") + mac_key + cipher_key


def aeads(name: str) -> list[Answer]:
    """Of authenticated encryption, both ways."""
    answers: list[Answer] = []
    for row in ROWS.get(name, ()):
        key, nonce, ad, plain, sealed = map(bytes.fromhex, row)
        answers += both_ways(nonce, plain, sealed, "a published vector", ad, key=key, **_tag_len(plain, sealed))
    if name in COMPOSED:
        mac_len, cipher_len, text = COMPOSED[name]
        key = authenc_key(counting(0, mac_len), counting(0x60, cipher_len))
        nonce, plain = counting(0x20, 16), counting(0x80, 48)
        ad = counting(0x40, 12 if name.startswith("authencesn") else 8)
        ad += nonce if name.startswith("essiv") else b""
        answers += both_ways(nonce, plain, bytes.fromhex(text), "OpenSSL and hashlib", ad, key=key)
    for key_len, text, empty in STREAMED.get(name, ()):
        key, origin, ad = counting(0x80, key_len), "pyca/cryptography, unit by unit", b"header"
        first, final = bytes.fromhex("00fffffffffffffffffffe"), b"\1"
        sealed = bytes.fromhex(text)
        answers += both_ways(first + final, counting(0, 40), sealed, origin, ad, key=key, unit=16)
        # All units but the last: a message that does not end the stream.
        answers += both_ways(first + b"\0", counting(0, 32), sealed[:64], origin, ad, key=key, unit=16)
        answers += both_ways(bytes(11) + final, b"", bytes.fromhex(empty), origin, key=key)
    if name.startswith("seqiv("):
        # The IV is salted with random bytes, so only opening can be known: it stands before the ciphertext.
        for row in ROWS.get(name[len("seqiv(") : -1], ()):
            key, nonce, ad, plain, sealed = map(bytes.fromhex, row)
            box, params = nonce + sealed, _tag_len(plain, sealed)
            answers.append(Answer("decrypt", (b"", box, ad), plain, "a published vector", key=key, **params))
    return answers


def _tag_len(plain: bytes, sealed: bytes) -> dict[str, int]:
    length = len(sealed) - len(plain)
    return {} if length == 16 else {"tag_len": length}
