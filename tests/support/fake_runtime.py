"""A runtime that only sleeps, for what stands in front of the network: batches, deadlines, threads."""

import asyncio
import ctypes
import threading
import time
from collections.abc import Awaitable
from typing import Any

import numpy as np

from export.runtimes import Inputs, Outputs, RuntimeInfo
from serve.inference.batching import Clips

CLIP: Clips = {"rgb": np.zeros((1, 2, 2, 3), np.uint8)}


class Sleeper:
    """A runtime that takes as long as it is told for each clip."""

    info = RuntimeInfo("sleeper", "cpu", "fp32")

    def __init__(self, seconds: float) -> None:
        self.seconds, self.batches = seconds, list[int]()

    def infer(self, inputs: Inputs) -> Outputs:
        batch = len(inputs["rgb"])
        self.batches.append(batch)
        time.sleep(self.seconds * batch)
        return {"logits": np.arange(batch, dtype=np.float32)[:, None].repeat(3, axis=1)}


async def outcomes(*answers: Awaitable[Any]) -> list[str]:
    return [type(answer).__name__ for answer in await asyncio.gather(*answers, return_exceptions=True)]


def end_threads(name: str) -> None:
    """Raise `SystemExit` in the threads of this name, as a library can; they see it when they next run."""
    for thread in threading.enumerate():
        if thread.name.startswith(name) and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))
