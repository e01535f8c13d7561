"""Which machine figures were measured on."""

import platform
from pathlib import Path


def machine() -> str:
    """Return the processor's name and the number of its cores."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []  # not Linux
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()
