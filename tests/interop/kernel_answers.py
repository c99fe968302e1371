"""Asks the kernel: runs cases through AF_ALG, writes what it answered. Standard library only; runs inside the kernel.

A case is a dict: `kind` (aead, skcipher, hash, rng), `name`, `op` (seal, open, encrypt, decrypt, digest, bind), and, in
hex where it has them, `key`, `iv`, `ad`, `data`; an AEAD's `tag` is a number of bytes. The answer is `{"out": hex}`, or
`{"error": name of the errno, "at": stage}` with the stages bind, key, tag and run. An AEAD's output comes without the
copy of ad that the kernel puts before it.
"""

from __future__ import annotations

import errno
import json
import platform
import signal
import socket
import sys
from pathlib import Path
from typing import Any

SECONDS = 2  # a request that says nothing for so long is told as a timeout, not waited for


class _Refused(Exception):
    """The kernel's errno, and how far the case got."""

    def __init__(self, stage: str, error: OSError) -> None:
        name = "ETIMEDOUT" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno or 0, str(error))
        self.answer = {"error": name, "at": stage}


def answer(case: dict[str, Any]) -> dict[str, str]:
    """What the kernel says to one case."""
    try:
        with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as transform:
            _prepare(transform, case)
            if case["op"] == "bind":
                return {"out": ""}
            return {"out": _run(transform, case).hex()}
    except _Refused as refused:
        return refused.answer


def _bytes(case: dict[str, Any], field: str) -> bytes:
    return bytes.fromhex(case.get(field, ""))


def _prepare(transform: socket.socket, case: dict[str, Any]) -> None:
    stage = "bind"
    try:
        transform.bind((case["kind"], case["name"]))
        if "key" in case:
            stage = "key"
            transform.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, _bytes(case, "key"))
        if "tag" in case:
            stage = "tag"
            transform.setsockopt(socket.SOL_ALG, socket.ALG_SET_AEAD_AUTHSIZE, None, case["tag"])
    except OSError as error:
        raise _Refused(stage, error) from None


def _run(transform: socket.socket, case: dict[str, Any]) -> bytes:
    data, ad = _bytes(case, "data"), _bytes(case, "ad")
    signal.alarm(SECONDS)
    try:
        operation, _ = transform.accept()
        with operation:
            if case["kind"] == "hash":
                operation.sendall(data)
                return operation.recv(512)
            options: dict[str, Any] = {}
            if "iv" in case:
                options["iv"] = _bytes(case, "iv")
            if case["kind"] == "aead":
                options["assoclen"] = len(ad)
            forward = case["op"] in {"seal", "encrypt"}
            what = socket.ALG_OP_ENCRYPT if forward else socket.ALG_OP_DECRYPT
            operation.sendmsg_afalg([ad + data], op=what, **options)
            # To the byte: AF_ALG goes on waiting for more work while there is room in the buffer.
            growth = case.get("tag", 0) if forward else -case.get("tag", 0)
            out = bytearray(max(1, len(ad) + len(data) + growth))
            return bytes(out[len(ad) : operation.recv_into(out)])
    except OSError as error:
        raise _Refused("run", error) from None
    finally:
        signal.alarm(0)


def _late(_signal: int, _frame: object) -> None:
    raise TimeoutError


def main(cases: Path, answers: Path) -> None:
    """Answers a file of cases."""
    # Not a timeout of the socket: that would poll, and AF_ALG's hashes do not answer polls.
    signal.signal(signal.SIGALRM, _late)
    listed = json.loads(cases.read_text())
    told = [answer(case) for case in listed]
    answers.write_text(json.dumps({"kernel": platform.release(), "answers": told}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
