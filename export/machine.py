"""Which machine figures were measured on, and how much memory a process took."""

import platform
from pathlib import Path


def machine() -> str:
    """Return the processor's name and the number of its cores."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []  # not Linux
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def peak_memory_mb() -> float:
    """Return the most memory that this process has held, in megabytes; not a number where only Linux could tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
