"""A file encrypted for two people with age, and read by one of them; `age` and `rage` read it, too."""

import os
import tempfile

import acrypto
from acrypto.streams import Decrypt, Encrypt, Pipeline, X25519Identity

ann, ben, eve = (X25519Identity.generate() for _ in range(3))
print("Ann is", ann.recipient)  # public: age1...; `ann.export()` is the secret, to be kept in a safe place

with tempfile.TemporaryDirectory() as folder, acrypto.open() as layer:
    plain, secret, back = (os.path.join(folder, name) for name in ("plan", "plan.age", "back"))
    with open(plain, "wb") as file:
        file.write(b"meet me at noon\n" * 100_000)

    Pipeline(layer, plain, [Encrypt([ann.recipient, ben.recipient])], secret).run().wait()
    Pipeline(layer, secret, [Decrypt([ben])], back).run().wait()
    with open(plain, "rb") as one, open(back, "rb") as other:
        assert one.read() == other.read()

    try:
        Pipeline(layer, secret, [Decrypt([eve])], None).run().wait()
    except acrypto.AuthenticationError as error:
        print("Eve:", error)

    # Every chunk is verified before anything of it is given, so a file can be read in part as well.
    with acrypto.open_file(secret, identities=[ann]) as file:
        file.seek(1_000_000)
        print("in the middle:", file.read(15))
