"""What `import acrypto` costs over bare Python."""

from __future__ import annotations

import subprocess

from measure import PYTHON, Report, in_turns, median, quick


def child(code: str) -> float:
    """Seconds that an interpreter spends on `code`, measured inside it."""
    timed = f"import time; t = time.perf_counter(); {code}; print(time.perf_counter() - t)"
    return float(subprocess.run([PYTHON, "-c", timed], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    report = Report("import")
    child("import acrypto")  # compiles the bytecode once
    samplers = {
        "acrypto": lambda: child("import acrypto"),
        "cryptography's AESGCM": lambda: child("from cryptography.hazmat.primitives.ciphers.aead import AESGCM"),
    }
    samples = in_turns(samplers, quick(21))
    report.raw["seconds"] = samples
    ours = median(samples["acrypto"]) * 1e3
    peer = median(samples["cryptography's AESGCM"]) * 1e3
    report.add("import acrypto (peer cryptography's AESGCM)", ours, "ms", mark="<= 15 ms", met=ours <= 15, peer=peer)
    report.finish()


if __name__ == "__main__":
    main()
