"""Runs the files that compare numbers as another processor would, and with other threads: `make portable` runs this."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).parent
COMPARES = re.compile(r'"golden"|on_bitwise|is_bitwise')
TEXTS = {"test_cli.py", "test_schema.py", "test_spec.py", "test_wrong_specs.py"}
"""Files whose golden files hold no number that was computed."""
SETTINGS = {
    "a processor without AVX or FMA, one thread": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_CORETYPE": "Prescott",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
        "OMP_NUM_THREADS": "1",
    },
    "this processor, four threads": {"OMP_NUM_THREADS": "4", "MKL_DYNAMIC": "FALSE"},
}
WIDE = """
import numpy, torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
wide = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
print(torch.backends.cpu.get_cpu_capability(), *wide, f"{torch.get_num_threads()} threads")
"""


def comparing() -> list[str]:
    """The files of tests that compare numbers with stored ones, or digit by digit with another way to them."""
    files = [path for path in TESTS.rglob("test_*.py") if path.name not in TEXTS]
    return sorted(str(path) for path in files if COMPARES.search(path.read_text()))


def run(name: str, setting: Mapping[str, str], options: list[str]) -> bool:
    """Whether the files pass under the setting."""
    environment = {**os.environ, **setting}
    seen = subprocess.run([sys.executable, "-c", WIDE], env=environment, capture_output=True, text=True, check=True).stdout
    print(f"As on {name} ({' '.join(seen.split())}):", flush=True)
    if "ATEN_CPU_CAPABILITY" in setting and "AVX" in seen:
        sys.exit(f"The settings must turn wide instructions off, but there are {seen.strip()}; see SETTINGS in {__file__}.")
    command = [sys.executable, "-m", "pytest", "-m", "not slow and not long", *options, *comparing()]
    return subprocess.run(command, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(0 if all([run(name, setting, sys.argv[1:]) for name, setting in SETTINGS.items()]) else 1)
