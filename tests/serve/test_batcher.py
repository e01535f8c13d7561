"""The queue in front of the network: company, deadlines, and whoever went away. The runtime here only sleeps."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.bundle import Bundle, read_bundle
from export.runtimes import Inputs, Outputs, RuntimeInfo
from serve.batcher import Batcher, Clips, Inferred, TooLateError
from serve.models import ServedModel
from serve.pace import Pace
from tests.serve.tiny_bundle import make_bundle

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
        return {"logits": np.arange(batch, dtype=np.float32)[:, None]}


@dataclass(frozen=True)
class Scene:
    """A batcher, and a model that sleeps."""

    batcher: Batcher
    model: ServedModel
    runtime: Sleeper

    def infer(self, clips: Clips = CLIP, deadline: float = math.inf) -> Coroutine[Any, Any, Inferred]:
        return self.batcher.infer(self.model, clips, deadline)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(make_bundle(tmp_path, "rgb"))


def scene_of(bundle: Bundle, seconds: float, max_batch: int, max_delay_s: float = 0.0) -> Scene:
    runtime = Sleeper(seconds)
    return Scene(Batcher(max_batch, max_delay_s, lambda *_: None), ServedModel("one", "1", bundle, runtime), runtime)


def working(batcher: Batcher, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a scene while the batcher works."""

    async def play() -> None:
        worker = asyncio.create_task(batcher.run())
        await scene()
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

    asyncio.run(play())


async def outcomes(*answers: Awaitable[Any]) -> list[str]:
    return [type(answer).__name__ for answer in await asyncio.gather(*answers, return_exceptions=True)]


def test_what_arrives_meanwhile_is_computed_together(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0.02, max_batch=4)

    async def scene() -> None:
        assert await outcomes(*(stage.infer() for _ in range(6))) == ["Inferred"] * 6
        assert await outcomes(stage.infer()) == ["Inferred"]

    working(stage.batcher, scene)
    assert stage.runtime.batches == [4, 2, 1]


def test_a_clip_waits_so_long_for_company_and_no_longer(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0, max_batch=2, max_delay_s=0.2)

    async def scene() -> None:
        first = asyncio.create_task(stage.infer())
        await asyncio.sleep(0.05)
        second = await stage.infer()
        assert second.queue_ms < (await first).queue_ms - 40
        assert (await stage.infer()).queue_ms > 190  # nobody came

    working(stage.batcher, scene)
    assert stage.runtime.batches == [2, 1]


def test_what_would_come_too_late_is_not_computed(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0.1, max_batch=1)

    async def scene() -> None:
        assert stage.batcher.expected_s(stage.model, 5) == 0  # nothing is known yet
        await stage.infer()
        assert stage.batcher.expected_s(stage.model, 5) >= 0.6
        soon = time.perf_counter() + 0.5
        answers = await outcomes(*(stage.infer(CLIP, soon) for _ in range(6)))
        assert answers[0] == "Inferred" and answers[-1] == "TooLateError"

    working(stage.batcher, scene)
    assert len(stage.runtime.batches) < 7


def test_whoever_goes_away_leaves_the_queue(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0.05, max_batch=1)

    async def scene() -> None:
        tasks = [asyncio.create_task(stage.infer()) for _ in range(4)]
        await asyncio.sleep(0.01)
        for task in tasks[1:3]:
            task.cancel()
        assert await outcomes(*tasks) == ["Inferred", "CancelledError", "CancelledError", "Inferred"]

    working(stage.batcher, scene)
    assert stage.runtime.batches == [1, 1]


def test_models_take_turns_and_are_never_mixed(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0.01, max_batch=4)
    other = ServedModel("other", "1", bundle, Sleeper(0.01))

    async def scene() -> None:
        models = [stage.model, other, stage.model, other, other]
        assert await outcomes(*(stage.batcher.infer(model, CLIP) for model in models)) == ["Inferred"] * 5

    working(stage.batcher, scene)
    assert stage.runtime.batches == [2]
    assert isinstance(other.runtime, Sleeper) and other.runtime.batches == [3]
    assert other.statistics.report("other", "1")["inference_count"] == 3


def test_pace_is_a_running_mean_and_scales_to_other_batches() -> None:
    pace = Pace()
    assert pace.seconds(3) == 0
    pace.note(2, 1.0)
    assert (pace.seconds(2), pace.seconds(4), pace.seconds(1)) == (1.0, 2.0, 0.5)
    pace.note(2, 2.0)
    assert pace.seconds(2) == pytest.approx(1.2)


def test_a_failure_is_everybodys_and_the_next_are_served(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0, max_batch=4)

    async def scene() -> None:
        wrong: Clips = {"rgb": CLIP["rgb"], "depth": CLIP["rgb"]}
        stage.runtime.seconds = -1  # time.sleep refuses
        assert await outcomes(stage.infer(wrong), stage.infer(wrong)) == ["ValueError", "ValueError"]
        stage.runtime.seconds = 0
        assert await outcomes(stage.infer()) == ["Inferred"]

    working(stage.batcher, scene)


def test_too_late_is_an_error_of_its_own() -> None:
    assert not issubclass(TooLateError, TimeoutError)
