"""Which machine figures were measured on, and how much memory a process took."""

import platform
from pathlib import Path

# What computes a network's products on a processor, by /proc/cpuinfo's name of it; the fastest first.
_UNITS = {"amx_tile": "AMX", "avx512_bf16": "AVX-512 BF16", "avx512_vnni": "AVX-512 VNNI", "avx512f": "AVX-512"}


def machine() -> str:
    """Return the processor's name, the number of its cores, and the best that they have for a network's products."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []  # not Linux
    names = _values(lines, "model name")
    if not names:
        return platform.processor()
    known = {flag for flags in _values(lines, "flags") for flag in flags.split()}
    best = [unit for flag, unit in _UNITS.items() if flag in known][:1]
    return " with ".join([f"{names[0]}, {len(names)} cores", *best])


def _values(lines: list[str], key: str) -> list[str]:
    return [line.partition(":")[2].strip() for line in lines if line.startswith(key)]


def peak_memory_mb() -> float:
    """Return the most memory that this process has held, in megabytes; not a number where only Linux could tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
