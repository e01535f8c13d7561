"""What a running service and its decoders take of the machine."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """Memory, open files and threads at one moment; `decoders_mb` is the sum of all decoders."""

    service_mb: float
    decoders_mb: float
    num_files: int
    num_threads: int

    def __str__(self) -> str:
        return (
            f"{self.service_mb:.0f} MB, its decoders {self.decoders_mb:.0f} MB, {self.num_files} open files, "
            f"{self.num_threads} threads"
        )


def usage(pid: int) -> Usage:
    """Return what the service of this process id takes."""
    service = psutil.Process(pid)
    decoders_mb = 0.0
    for child in service.children():
        try:
            decoders_mb += child.memory_info().rss / 1e6
        except psutil.NoSuchProcess:  # it is being replaced
            continue
    return Usage(service.memory_info().rss / 1e6, decoders_mb, service.num_fds(), service.num_threads())
