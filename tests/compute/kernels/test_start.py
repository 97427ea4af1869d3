"""What a new process loads before its first result, and what memory it keeps."""

import subprocess
import sys

from compute.memory import keep_freed

FIRST_RESULT = """
import sys
from compute.kernels.thermal import water_table
assert water_table().shape[0] == 2
print("scipy.linalg" in sys.modules)
import scipy.linalg.cython_blas
"""


def test_the_first_result_does_not_wait_for_scipy_which_loads_afterwards_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_RESULT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_freed_memory_is_kept_wherever_the_c_library_can() -> None:
    assert keep_freed() in (True, False)
    assert keep_freed() == keep_freed()
