"""One typed door to Numba: every kernel of this project is compiled the same way.

Rules: `nogil`, cached on disk, no fastmath (results are equal on every machine and thread), division as NumPy does it.
Parallelism is not in the kernels: callers run blocks of points on threads.
"""

from collections.abc import Callable
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


def compiled(function: F) -> F:
    """`function` compiled to machine code at its first call, kept in the cache for the next process."""
    dispatcher = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast(F, dispatcher)
