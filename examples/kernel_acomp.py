"""Compressing as kernel code does, with the kernel's calls and return codes."""

from acrypto.kernel import (
    CRYPTO_TFM_REQ_MAY_BACKLOG,
    IS_ERR,
    PTR_ERR,
    CryptoWait,
    Scatterlist,
    acomp_request_alloc,
    acomp_request_free,
    acomp_request_set_callback,
    acomp_request_set_params,
    crypto_acomp_compress,
    crypto_acomp_decompress,
    crypto_acomp_driver_name,
    crypto_alloc_acomp,
    crypto_free_acomp,
    crypto_init_wait,
    crypto_req_done,
    crypto_wait_req,
    sg_init_one,
    sg_init_table,
    sg_set_buf,
)

text = b"Join us now and share the software " * 2
packed, back = bytearray(512), bytearray(len(text))

acomp = crypto_alloc_acomp("deflate", 0, 0)
if IS_ERR(acomp):
    raise SystemExit(f"no deflate: {PTR_ERR(acomp)}")
print("allocated", crypto_acomp_driver_name(acomp))

src, dst, wait = Scatterlist(2), Scatterlist(1), CryptoWait()
sg_init_table(src, 2)
sg_set_buf(src[0], text[:10], 10)
sg_set_buf(src[1], text[10:], len(text) - 10)
sg_init_one(dst, packed, len(packed))

req = acomp_request_alloc(acomp)
acomp_request_set_params(req, src, dst, len(text), len(packed))
acomp_request_set_callback(req, CRYPTO_TFM_REQ_MAY_BACKLOG, crypto_req_done, wait)

crypto_init_wait(wait)
err = crypto_wait_req(crypto_acomp_compress(req), wait)
if err:
    raise SystemExit(f"compression failed: {err}")
print(f"compressed {len(text)} bytes: err {err}, dlen {req.dlen}")
length = req.dlen

sg_init_one(src, packed, length)
sg_init_one(dst, back, len(back))
acomp_request_set_params(req, src, dst, length, len(back))
err = crypto_wait_req(crypto_acomp_decompress(req), wait)
if err or back != text:
    raise SystemExit(f"decompression failed: {err}")
print(f"decompressed {length} bytes: err {err}, dlen {req.dlen}, the same")

acomp_request_free(req)
crypto_free_acomp(acomp)
print("freed")
