"""The CPU: its features, from /proc/cpuinfo, and the cores that a process may use."""

import functools
import os
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")  # of Linux


@functools.cache  # reading it is slow on many cores
def features() -> set[str]:
    """Names of its instruction sets, as x86-64's avx2 or ARM's bf16; empty if unknown."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return set()
    # The headings on x86-64 and on ARM; other architectures have others.
    return {name for line in lines if line.startswith(("flags", "Features")) for name in line.split()[2:]}


def has_bfloat16() -> bool:
    """Whether it multiplies bfloat16 itself; True if unknown."""
    found = features()
    return not found or bool(found & {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})


def has_only_avx2() -> bool:
    """Whether AVX2 is the widest that it has on x86-64; False if unknown."""
    found = features()
    return "avx2" in found and "avx512f" not in found


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
