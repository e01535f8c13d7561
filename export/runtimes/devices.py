"""Where to compute: a device by its kind, "cuda", one of several of a kind, "cuda:1", or several: "cuda:0,cuda:1"."""

import queue
import re
from collections.abc import Sequence

from export.runtimes import Inputs, Outputs, Runtime, RuntimeInfo
from rgbd.errors import UserError

_DEVICE = re.compile(r"[a-z]+(:\d{1,2})?", re.ASCII)


def split_devices(text: str, kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the devices that a text names; raises `UserError` where they are unknown, twice there or not of a kind."""
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if not _DEVICE.fullmatch(name) or kind_of(name) not in kinds:
            known = ", ".join(kinds)
            raise UserError(f"device {name!r}: give one of {known}, or several of a kind: cuda:0,cuda:1")
    if len({kind_of(name) for name in names}) > 1:
        raise UserError(f"device {text}: give devices of one kind, so that each answers the same")
    if len({index_of(name) for name in names}) < len(names):
        raise UserError(f"device {text}: names a device twice; leave it out once")
    return names


def kind_of(device: str) -> str:
    """Return "cuda" of "cuda:1"."""
    return device.partition(":")[0]


def index_of(device: str) -> int:
    """Return 1 of "cuda:1", and 0 of "cuda"."""
    return int(device.partition(":")[2] or 0)


class SeveralDevices:
    """One graph on several devices; each call goes to one that is idle, and waits where none is."""

    def __init__(self, runtimes: Sequence[Runtime]) -> None:
        infos = [runtime.info for runtime in runtimes]
        self.info = RuntimeInfo(infos[0].name, ",".join(info.device for info in infos), infos[0].precision)
        self._idle: queue.SimpleQueue[Runtime] = queue.SimpleQueue()
        for runtime in runtimes:
            self._idle.put(runtime)

    def infer(self, inputs: Inputs) -> Outputs:
        """Return the graph's outputs; see `Runtime.infer`. For as many threads at a time as there are devices."""
        runtime = self._idle.get()
        try:
            return runtime.infer(inputs)
        finally:
            self._idle.put(runtime)
