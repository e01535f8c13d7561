"""Which machine figures were measured on, how much memory a process took, and how much there is."""

import platform
from collections.abc import Iterator
from contextlib import suppress
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
    """Return the most memory that this process has held since `forget_peak_memory`, or ever, in megabytes.

    It is no number where only Linux could tell.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def forget_peak_memory() -> None:
    """Count the most memory of this process anew, from what it holds now; does nothing where the system cannot."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def be_killed_first() -> None:
    """Have the system kill this process before others when memory is short; does nothing where it cannot."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def available_memory_mb(root: Path = Path("/")) -> float:
    """Return how much memory can still be taken, in megabytes: of the machine, or of the cgroups of this process.

    It is no number where only Linux could tell. `root` is where `proc` and `sys` lie.
    """
    meminfo = root / "proc" / "meminfo"
    if not meminfo.exists():
        return float("nan")
    of_machine = int(meminfo.read_text().partition("MemAvailable:")[2].split()[0]) * 1024
    return min(of_machine, *_left_in_cgroups(root)) / 1e6


def _left_in_cgroups(root: Path) -> Iterator[float]:
    """Yield how many bytes each cgroup of this process allows yet, by version 1 or 2, and infinity."""
    yield float("inf")
    groups, cgroups = root / "proc" / "self" / "cgroup", root / "sys" / "fs" / "cgroup"
    for line in groups.read_text().splitlines() if groups.exists() else []:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            mount, names = cgroups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = mount / path.strip("/")  # in a container, this may be a name of outside, and the mount the group itself
        for folder in (group, *group.parents):
            if folder.is_relative_to(mount):
                with suppress(OSError, ValueError):  # there is no such group, or "max": no limit
                    yield _left_in_cgroup(folder, *names)


def _left_in_cgroup(folder: Path, limit: str, used: str, reclaimable: str) -> int:
    statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    # Pages of files that nobody has used lately are given up when memory is asked for.
    return int((folder / limit).read_text()) - int((folder / used).read_text()) + int(statistics.get(reclaimable, 0))
