"""Ciphers without authentication."""

from __future__ import annotations

from acrypto.registry.known_answers.answer import Answer, both_ways, counting

AES_128 = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
AES_256 = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
#: SP 800-38A appendix F: nonce, with AES-128, with AES-256.
SP_800_38A = {
    "ecb(aes)": (
        b"",
        "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
        "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
        "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870"
        "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
    ),
    "cbc(aes)": (
        counting(0, 16),
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
        "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
    ),
    "ctr(aes)": (
        counting(0xF0, 16),
        "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
        "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
        "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
    ),
}
#: Key, nonce, plaintext, ciphertext.
OTHERS = {
    # NIST CAVP, TCBCMMT3 and TECBMMT3, count 2: three keys.
    "cbc(des3_ede)": [
        (
            "1a5d4c0825072a15a8ad9dfdaeda8c048adffb85bc4fced0",
            "7fcfa736f7548b6f",
            "983c3edacd939406010e1bc6ff9e12320ac5008117fa8f84",
            "d84fa24f38cf451ca2c9adc960120bd8ff9871584fe31cee",
        )
    ],
    "ecb(des3_ede)": [
        (
            "c16189f43451196bfb4c438580c20408571f0d5e4a586491",
            "",
            "dd9a97741093334bd0c9761105cfb79cc3bac34a7c85bd8a",
            "d2f3f1d32a9ea09b5acb589c41a07320fb8d33a2fc2b0ed2",
        )
    ],
    # NIST CAVP, XTSGenAES128 counts 101 and 301 (ciphertext stealing), XTSGenAES256 count 1.
    "xts(aes)": [
        (
            "b7b93f516aef295eff3a29d837cf1f135347e8a21dae616ff5062b2e8d78ce5e",
            "873edea653b643bd8bcf51403197ed14",
            "236f8a5b58dd55f6194ed70c4ac1a17f1fe60ec9a6c454d087ccb77d6b638c47",
            "22e6a3c6379dcf7599b052b5a749c7f78ad8a11b9f1aa9430cf3aef445682e19",
        ),
        (
            "394c97881abd989d29c703e48a72b397a7acf51b59649eeea9b33274d8541df4",
            "4b15c684a152d485fe9937d39b168c29",
            "2f3b9dcfbae729583b1d1ffdd16bb6fe2757329435662a78f0",
            "f3473802e38a3ffef4d4fb8e6aa266ebde553a64528a06463e",
        ),
        (
            "1ea661c58d943a0e4801e42f4b0947149e7f9f8e3e68d0c7505210bd311a0e7c"
            "d6e13ffdf2418d8d1911c004cda58da3d619b7e2b9141e58318eea392cf41b08",
            "adf8d92627464ad2f0428e84a9f87564",
            "2eedea52cd8215e1acc647e810bbc3642e87287f8d2e57e36c0a24fbc12a202e",
            "cbaad0e2f6cea3f50b37f934d46a9b130b9d54f07e34f36af793e86f73c6d7db",
        ),
    ],
    # RFC 3686 6, vectors 1 and 3; the nonce stands behind the key.
    "rfc3686(ctr(aes))": [
        (
            "ae6852f8121067cc4bf7a5765577f39e00000030",
            "0000000000000000",
            b"Single block msg".hex(),
            "e4095d4fb7a7b3792d6175a3261311b8",
        ),
        (
            "7691be035e5020a8ac6e618529f9a0dc00e0017b",
            "27777f3f4a1786f0",
            counting(0, 36).hex(),
            "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f",
        ),
    ],
    # RFC 3962 appendix B.
    "cts(cbc(aes))": [
        (b"chicken teriyaki".hex(), "00" * 16, plain.hex(), sealed)
        for plain, sealed in (
            (b"I would like the ", "c6353568f2bf8cb4d8a580362da7ff7f97"),
            (
                b"I would like the General Gau's ",
                "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5",
            ),
            (
                b"I would like the General Gau's C",
                "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584",
            ),
            (
                b"I would like the General Gau's Chicken, please,",
                "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5",
            ),
        )
    ],
    # Made with OpenSSL 3 (ECB for the IV under SHA-256 of the key, then CBC): published nowhere.
    "essiv(cbc(aes),sha256)": [
        (
            counting(0, size).hex(),
            counting(0x40, 16).hex(),
            counting(0x80, 48).hex(),
            sealed,
        )
        for size, sealed in (
            (16, "8dd91bb4f71d53d9c94e95abb4b4e22ddf992e6a922487e385a0877606b16663fdaf3907fffcb59336366e9cba34387e"),
            (32, "61202a90c074e3f1455bf06cf1818099a781d1ba7040be2c995b424057a36518465ed2960dbc421d2a4326305cedcc1d"),
        )
    ],
}


def ciphers(name: str) -> list[Answer]:
    """Of a cipher, both ways."""
    answers = []
    if name in SP_800_38A:
        nonce, *sealed = SP_800_38A[name]
        for key, text in zip((AES_128, AES_256), sealed, strict=True):
            answers += both_ways(nonce, MESSAGE, bytes.fromhex(text), "SP 800-38A", key=key)
    for row in OTHERS.get(name, ()):
        row_key, iv, plain, encrypted = map(bytes.fromhex, row)
        answers += both_ways(iv, plain, encrypted, "a published vector", key=row_key)
    return answers
