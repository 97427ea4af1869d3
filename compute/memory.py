"""Keeps memory that arrays gave back for the arrays that come next.

Rules over days make many arrays of the same few megabytes. The C library would hand each of them back to the system and
ask for it again, and the system clears every page: measured, as long as a third of the rules' own work. Who has
finished gives it back.
"""

import ctypes
import functools

# Parameters of glibc's `mallopt`, and what they are set to: bytes at the end of the heap that are kept, and the size
# from which an array gets pages of its own (the largest that glibc takes).
_TRIM, _KEPT_BYTES = -1, 2000 << 20
_MMAP, _OWN_PAGES_BYTES = -3, 32 << 20


@functools.cache
def keep_freed() -> bool:
    """Ask the C library, once a process; False where it is not glibc, and then nothing changes."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP, _OWN_PAGES_BYTES) and mallopt(_TRIM, _KEPT_BYTES))


def give_back() -> bool:
    """Hand what is kept and free to the system; False where there was nothing, or no glibc."""
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False
