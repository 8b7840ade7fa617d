"""Memory that the program has freed, given back to the system.

The allocator of most Linux systems keeps what was freed between blocks that are still in use. After each crowd of
visitors that was a little more: 782 MB after 128 explanations, 950 MB after 768, with no more in use than before.
"""

import ctypes
import sys
from contextlib import suppress


def give_back() -> None:
    """Give it back where the allocator can (glibc); elsewhere nothing happens."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
