"""AES-GCM-HKDF streaming: Tink reads what we write, and we read what it writes."""

from __future__ import annotations

import io
import random

import pytest
from tests.streams.age_runs import cut, run

import acrypto
from acrypto.streams.tink import TinkDecrypt, TinkEncrypt
from acrypto.streams.tink.format import Parameters

tink = pytest.importorskip("tink")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ALL = random.Random(3).randbytes(3 << 20)
KEY = bytes(range(32))
#: Tink's templates AES128 and AES256_GCM_HKDF_4KB and AES256_GCM_HKDF_1MB, and two of our own.
PARAMETERS = [
    Parameters(4096, 16, "sha256"),
    Parameters(4096, 32, "sha256"),
    Parameters(),
    Parameters(4096, 16, "sha512"),
    Parameters(100, 32, "sha1"),
]


def primitive(parameters: Parameters) -> object:
    from tink import secret_key_access, streaming_aead
    from tink.proto import aes_gcm_hkdf_streaming_pb2 as pb
    from tink.proto import common_pb2, tink_pb2

    streaming_aead.register()
    params = pb.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=parameters.segment,
        derived_key_size=parameters.key_len,
        hkdf_hash_type=getattr(common_pb2, parameters.hash.upper()),
    )
    key = pb.AesGcmHkdfStreamingKey(version=0, key_value=KEY, params=params).SerializeToString()
    kind = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"
    data = tink_pb2.KeyData(type_url=kind, value=key, key_material_type=tink_pb2.KeyData.SYMMETRIC)
    one = tink_pb2.Keyset.Key(key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
    keyset = tink_pb2.Keyset(primary_key_id=1, key=[one]).SerializeToString()
    handle = tink.proto_keyset_format.parse(keyset, secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


class Kept(io.BytesIO):
    """Its contents outlive it."""

    contents = b""

    def close(self) -> None:
        self.contents = self.getvalue()
        super().close()


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_any_size_goes_both_ways(layer: acrypto.Layer, parameters: Parameters) -> None:
    first, unit = parameters.first, parameters.unit
    theirs = primitive(parameters)
    for size in (0, 1, first - 1, first, first + 1, first + unit, first + unit + 1, first + 5 * unit, len(ALL)):
        text = ALL[: min(size, 3000 * unit)]
        box = run(layer, TinkEncrypt(KEY, b"beside", parameters=parameters), cut(text, 70_001))
        with theirs.new_decrypting_stream(io.BytesIO(box), b"beside") as file:  # type: ignore[attr-defined]
            assert file.read() == text
        sink = Kept()
        with theirs.new_encrypting_stream(sink, b"beside") as file:  # type: ignore[attr-defined]
            file.write(text)
        assert len(sink.contents) == len(box)
        assert run(layer, TinkDecrypt(KEY, b"beside", parameters=parameters), cut(sink.contents, 99_991)) == text
