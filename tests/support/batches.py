"""A batcher, and a model that takes as long as it is told."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from export.bundle.folder import Bundle
from serve.inference.batch_observer import BatchObserver
from serve.inference.batching import Batcher, Clips, Inferred
from serve.inference.served_model import ServedModel
from tests.support.fake_runtime import CLIP, Sleeper


@dataclass(frozen=True)
class Scene:
    """A batcher, and a model that sleeps."""

    batcher: Batcher
    model: ServedModel
    runtime: Sleeper

    def infer(self, clips: Clips = CLIP, deadline: float = math.inf) -> Coroutine[Any, Any, Inferred]:
        return self.batcher.infer(self.model, clips, deadline)


def scene_of(
    bundle: Bundle, seconds: float, max_batch: int, max_delay_s: float = 0.0, kind: type[Sleeper] = Sleeper
) -> Scene:
    runtime = kind(seconds)
    return Scene(
        Batcher(max_batch, max_delay_s, BatchObserver(lambda *_: None)),
        ServedModel(bundle, runtime, "one", "1"),
        runtime,
    )


def working(batcher: Batcher, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scene while the batcher works."""

    async def play() -> None:
        worker = asyncio.create_task(batcher.run())
        await scene()
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

    asyncio.run(play())
