"""One typed door to Numba: every kernel of this project is compiled the same way.

Rules: `nogil`, cached on disk, no fastmath (results are equal on every machine and thread), division as NumPy does it.
Parallelism is not in the kernels: callers run blocks of points on threads. A cached kernel holds the machine code of
the kernels it calls, and Numba looks only at the caller's file: here a change in any kernel makes all of them new.
"""

import sys
from collections.abc import Callable
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Int16 = NDArray[np.int16]
Int8 = NDArray[np.int8]
Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

# Modules with kernels, or with numbers that kernels are compiled with, outside the folders of kernels and validation.
_BESIDE = ("quality.py", "consumption.py", "estimation.py", "rescaling.py", "point_hours.py")


# What Numba takes BLAS from.
_BLAS = "scipy.linalg.cython_blas"


def _without_blas() -> None:
    """Let Numba come up without SciPy, where that is installed: no kernel multiplies matrices, and loading it would be
    a third of the time to the first result.
    """
    if _BLAS in sys.modules:
        return
    # A module that is None cannot be imported; Numba then goes without it, as where there is no SciPy.
    sys.modules[_BLAS] = None  # type: ignore[assignment]
    try:
        import_module("numba.np.arraymath")
    finally:
        del sys.modules[_BLAS]


_without_blas()


def _sources() -> tuple[str, int]:
    """Digest of every source that a kernel may come from, in the form of Numba's own stamp."""
    digest = blake2b(digest_size=16)
    house = Path(__file__).parent.parent
    beside = (house / name for name in _BESIDE)
    for file in (*sorted(house.glob("kernels/*.py")), *sorted(house.glob("validation/*.py")), *beside):
        digest.update(file.read_bytes())
    return digest.hexdigest(), 0


_STAMP = _sources()


def compiled(function: F) -> F:
    """`function` compiled to machine code at its first call, kept in the cache for the next process."""
    dispatcher = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    # Under NUMBA_DISABLE_JIT there is no dispatcher, and nothing to keep.
    index = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = _STAMP
    return cast(F, dispatcher)
