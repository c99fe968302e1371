"""age v1, the file encryption format: to public keys or a passphrase, on all cores.

Binary and armored, X25519 recipients and scrypt passphrases. Left out: SSH keys, plug-ins, and the recipient types of
hardware keys and of post-quantum cryptography, which age takes from plug-ins too.
"""

from acrypto.streams.age.decrypt import Decrypt
from acrypto.streams.age.encrypt import Encrypt
from acrypto.streams.age.identities import Identity, ScryptIdentity, X25519Identity
from acrypto.streams.age.index import AgeIndex
from acrypto.streams.age.recipients import Recipient, ScryptRecipient, X25519Recipient

__all__ = [
    "AgeIndex",
    "Decrypt",
    "Encrypt",
    "Identity",
    "Recipient",
    "ScryptIdentity",
    "ScryptRecipient",
    "X25519Identity",
    "X25519Recipient",
]
