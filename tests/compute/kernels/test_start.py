"""What a new process loads before its first result, and what memory it keeps."""

import platform
import subprocess
import sys

FIRST_RESULT = """
import sys
from compute.kernels.thermal import water_table
assert water_table().shape[0] == 2
print("scipy.linalg" in sys.modules)
import scipy.linalg.cython_blas
"""
KEPT = """
import resource
from pathlib import Path
import numpy as np
from compute.memory import give_back, keep_freed

def megabytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

print(keep_freed())
arrays = [np.ones(2_000_000) for _ in range(10)]
full = megabytes()
del arrays
print(megabytes() > full - 40)
print(give_back())
print(megabytes() < full - 120)
"""


def test_the_first_result_does_not_wait_for_scipy_which_loads_afterwards_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_RESULT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_freed_memory_is_kept_until_it_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    told = done.stdout.split()
    glibc = platform.libc_ver()[0] == "glibc"
    # Ten arrays of 16 MB: freed, and the process is as large as before; given back, and it is smaller by most of them.
    assert told == [str(glibc)] * 4
