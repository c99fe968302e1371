"""Signatures and key agreement, with fixed keys: nothing is generated."""

from __future__ import annotations

from acrypto.model.errors import AuthenticationError
from acrypto.registry.known_answers.answer import Answer, checked

#: DER before the key itself: SubjectPublicKeyInfo (RFC 8410), SubjectPublicKeyInfo (RFC 5480).
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")

#: RFC 8032 7.1, tests 1 to 3: seed, public key, message, signature.
ED25519 = (
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
)

#: RFC 6979 A.2.5: a key for P-256, in PKCS #8, and its signature of "sample" with SHA-256.
P256_KEY = bytes.fromhex(
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420c9afa9d845ba75166b5c215767b1"
    "d6934e50c3db36e89b127b8a622b120f6721a1440342000460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669"
    "622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
P256_POINT = P256_KEY[-65:]
P256_SIGNATURE = bytes.fromhex(
    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716022100f7cb1c942d657c41d436"
    "c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
)

#: NIST CAVP, SigVer15_186-3, a modulus of 2048 bits with SHA-256: the key in PKCS #8, message, signature.
RSA_KEY = bytes.fromhex(
    "308204bd020100300d06092a864886f70d0101010500048204a7308204a30201000282010100a911245a2cfb33d8ee375df9"
    "439f74e669c03a8d9acad25bd27acf3cd8bea7eb9dbe470155c7c72782c94861f7b573cd325639fb070e9ba6e621991aefa4"
    "5106182e4d264be7068035595d7549052989b3e7fd04cabc94012c1278a0ef8672b1a51dd1a9e276816ba497dea24b4febe3"
    "dd8e977707bcd230ca6fb6f8a8bff9e6ba24fbadcd93f00126b19b396a38e6ef86d18fef945b9154c1963fb488c702595351"
    "1f86d05638bfe056493730bc6778446e59cd3c5c3acf07a0a3a64943793652f10e3292aa7a6d25a03181cc6f6ba0658d909e"
    "59ce2a02bacc9766fd8c4fbd4ed9c23a866844b8a794d49e505f9f944870a71aadbe5338039825c2dff81af3020301000102"
    "820100290d117f97d672f3647c2b24402832b153d22a25820567688645ed95ffa6e38d116347486ab4b485c27aef4962653b"
    "b60257ef82256785a1d3d52aa0e0b94c37279dee7bb308688aaee98108de6f1373ed2c12429c9b8770756c12c03908b346b1"
    "29f963bfaa38a8937190cc656f057ef1a812dd0312f51285c4f46f9241f3028ea6a61db0e9255976469f5d5542ced55ee2d6"
    "f4afe766c0a70f49871d369dd8f3a82a7141639efd4a1f4a4009821c3c2b9f5c5f5eef99a5f00fbd8bc8191a3654e8f8d8ce"
    "12d90e5ff2a4c530b76306c8c56e0549a6f277ab2af3a60cccbf4bb4b2cb47f04f211f8b86aa653bf6913f3b5ed190c51b59"
    "58e40597a2dfd3006102818100bf96de108963b5113399b664765efe046e2dafdb70d6e5e29dc6ec89b789b059348d74d891"
    "29c7ade9ddb404c6dc3a3437c7fc9f23bc38dadc8ffd0ff757999f5c2d510b993056147ccdf421e03d0be2c74ec333a9677c"
    "430cc604f5550d0d86defdde71488e3db889c699a5cacb44dcdae2f3cca38695e783e6f6250827efb102818100e1e7e33618"
    "d1b64d6862c132e4b1cd5fabad20ce62bd97bce2a3f5ad2da67bb0a7f0b9e48335a33b7b95e77ec4c47e91416881f9f7c23f"
    "9bc1918cc644335c74260e90cd7b2e0fed802f19e78c5ed80a431b38630d82f982c74a0381b8ecf943c60810fae90574e216"
    "357b2535002316d9529cb56420f3cc82dea37cb624e1e302818100bce35c3a8789d3098b8b1fa4ba837b03193157f10cb602"
    "5dc35a4cf896085ce2060af4c9538d127de7559a571f4c1ee23ea09ff2b203af36304091a9fd1cd3aba6f052b811a6f3272d"
    "c8cbc9de4fb1793b30ef08ef1ac50b41fbb505bf7da7f971be6f61d6bbce243349a7502ab8ef42a357203080847f248b09d9"
    "61b741d071028180629669813d59a03eadf4932e1bc240c7a4cb7c8ab56ada62b3622ca07450b8a042da7ab5f05123389d59"
    "b15a9092d44d9e06f6da5936ebbd94bf6979496044d3e79be9b3d33329fe5337bb0d63242d126570e6adcbc2c21341d7da29"
    "edc375910f468bea84713e2e40d4fc3623a838a80b15d39011ef939647f2d3d464453a530281801261dce1e3d5d006948baf"
    "609ab5d114780c85c42b7065ddf0ea41d0d9e1bce2b154086551e425f36f46fb0da62ba7e054b95e5207ee08a6e1aa68cc61"
    "1abe3c57e20a275cef95b4234b2539e1ed48e5a2363c4f2cb84178dbf6d7bf968a722ece1687376703099ccc182a30d5761b"
    "5aa8aedd33941997c63f678f4aba1c0d82"
)
RSA_MESSAGE = bytes.fromhex(
    "6918d6328ca0a8b64bbe81d91cdea519911b59fc2dbd53af76006fec4b18a320787135ce883b2b2edb26041bf86aa52c230b"
    "9620335b6e7f9ec08c7ed6b70823d819e9ab019e9929249f966fdb2069311a0ddc680ac468f514d4ed873b04a6beb0985b91"
    "a0cfd8ed51b09f9e6d06da739eaa939d5a00275901c4f8cf25076339"
)
RSA_SIGNATURE = bytes.fromhex(
    "794d0a45bc9fc6febb586e319dfa6924c888594802b9deb9668963fdb309bf02817960a7457106fc474f91601436e8954cbb"
    "6815350b2c51b53c968d2c48cc1799550d5d03b41f6e5a8c3c264d2e2fe0b5b8ff53fdcb9dd111c985cb488d7086e6548b40"
    "77ec00721c9cb500fe07a031c2030e8ad1dd0112c34ffd9091d77a187aac8661b298eee39eb615f9715c4c48a6762ede55a4"
    "66ec7f3cdb6a937cfc80188a85d8f8d3a2a80b199ce5e6375af8f02f06d706a34d9cf38318903965db54aaa7d3fa7a7ee580"
    "34cd58c8435739c8906366e2ddba293f2fb2c15f07fa4951014471e7f677d3bdacffc4c68a906e08d68b39f9010746cbacd2"
    "2980cee73e8d"
)

#: RFC 7748 5.2: scalar, point, result.
X25519 = (
    (
        "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
        "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    ),
    (
        "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
        "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ),
)


def signatures(name: str) -> list[Answer]:
    """Of a signature; the scheme's own variant of signing may be random, checking never is."""
    answers: list[Answer] = []
    if name == "ed25519":
        for row in ED25519:
            seed, public, message, signature = map(bytes.fromhex, row)
            answers += checked("sign", message, signature, "RFC 8032", seed)
            answers.append(Answer("verify", (signature, message), None, "RFC 8032", key=ED25519_SPKI + public))
    if name == "ecdsa-nist-p256":
        public = P256_SPKI + P256_POINT
        for message, expected in ((b"sample", None), (b"test", AuthenticationError)):
            answers.append(Answer("verify", (P256_SIGNATURE, message), expected, "RFC 6979 A.2.5", key=public))
    if name == "rsa":
        answers += checked("sign", RSA_MESSAGE, RSA_SIGNATURE, "NIST CAVP", RSA_KEY, hash="sha256", padding="pkcs1")
    return answers


def signing_key(name: str) -> bytes | None:
    """A fixed private key for a signature algorithm, for the laws; None if none is known."""
    keys = {"ed25519": bytes.fromhex(ED25519[0][0]), "ecdsa-nist-p256": P256_KEY, "rsa": RSA_KEY}
    return keys.get(name)


def agreements(name: str) -> list[Answer]:
    """Of a key agreement; a point of small order gives no secret (RFC 7748 6.1)."""
    if name != "x25519":
        return []
    answers = []
    for row in X25519:
        scalar, peer, secret = map(bytes.fromhex, row)
        answers.append(Answer("agree", (peer,), secret, "RFC 7748", key=scalar))
    answers.append(Answer("agree", (bytes(32),), AuthenticationError, "RFC 7748 6.1, a small order", key=scalar))
    return answers
