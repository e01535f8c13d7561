"""The queue in front of the network: company, deadlines, and whoever went away. The runtime here only sleeps."""

import asyncio
import gc
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest

from export.bundle.folder import Bundle
from export.runtimes import Inputs, Outputs
from export.runtimes.devices import SeveralDevices
from serve.concurrency.task_group import gather_or_cancel
from serve.inference.batch_observer import BatchObserver
from serve.inference.batching import Batcher, Clips, TooLateError
from serve.inference.explanation import explain
from serve.inference.served_model import ServedModel
from tests.support.batches import Scene, scene_of, working
from tests.support.fake_runtime import CLIP, Sleeper, end_threads, outcomes
from tests.support.saboteur import FAILURES


class Failing(Sleeper):
    """A runtime that fails when its time is over."""

    def infer(self, inputs: Inputs) -> Outputs:
        super().infer(inputs)
        raise ValueError("it fails")


def test_what_arrives_meanwhile_is_computed_together(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0.02, max_batch=4)

    async def scene() -> None:
        assert await outcomes(*(stage.infer() for _ in range(6))) == ["Inferred"] * 6
        assert await outcomes(stage.infer()) == ["Inferred"]

    working(stage.batcher, scene)
    assert stage.runtime.batches == [4, 2, 1]


def test_a_clip_waits_so_long_for_company_and_no_longer(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0, max_batch=2, max_delay_s=0.5)

    async def scene() -> None:
        first = asyncio.create_task(stage.infer())
        await asyncio.sleep(0.05)
        second = await stage.infer()
        assert second.queue_ms < (await first).queue_ms - 40
        assert (await stage.infer()).queue_ms > 490  # nobody came

    working(stage.batcher, scene)
    assert stage.runtime.batches == [2, 1]


def test_several_devices_take_from_one_queue(bundle: Bundle) -> None:
    runtimes = [Sleeper(0.2), Sleeper(0.2)]
    model = ServedModel(bundle, SeveralDevices(runtimes), "one", "1", turns=threading.BoundedSemaphore(2))
    batcher = Batcher(1, 0.0, BatchObserver(lambda *_: None), num_devices=2)

    async def scene() -> None:
        workers = [asyncio.create_task(batcher.run()) for _ in runtimes]
        answers = [asyncio.create_task(batcher.infer(model, CLIP)) for _ in range(4)]
        await asyncio.sleep(0.1)
        assert [len(runtime.batches) for runtime in runtimes] == [1, 1] and batcher.num_waiting == 2
        assert [type(await answer).__name__ for answer in answers] == ["Inferred"] * 4
        one_s = model.latency.seconds(1)
        assert batcher.expected_s(Counter({model: 4})) == pytest.approx(2 * one_s)
        for worker in workers:
            worker.cancel()

    asyncio.run(scene())
    assert [runtime.batches for runtime in runtimes] == [[1, 1], [1, 1]]


def test_what_would_come_too_late_is_not_computed(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0.1, max_batch=1)

    async def scene() -> None:
        assert stage.batcher.expected_s(Counter({stage.model: 6})) == 0  # nothing is known yet
        await stage.infer()
        assert stage.batcher.expected_s(Counter({stage.model: 6})) >= 0.6
        soon = asyncio.get_running_loop().time() + 0.5
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
    other = ServedModel(bundle, Sleeper(0.01), "other", "1")

    async def scene() -> None:
        models = [stage.model, other, stage.model, other, other]
        assert await outcomes(*(stage.batcher.infer(model, CLIP) for model in models)) == ["Inferred"] * 5

    working(stage.batcher, scene)
    assert stage.runtime.batches == [2]
    assert isinstance(other.runtime, Sleeper) and other.runtime.batches == [3]
    assert other.statistics.report("other", "1")["inference_count"] == 3


def test_a_failure_is_everybodys_and_the_next_are_served(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0, max_batch=4)

    async def scene() -> None:
        wrong: Clips = {"rgb": CLIP["rgb"], "depth": CLIP["rgb"]}
        stage.runtime.seconds = -1  # time.sleep refuses
        assert await outcomes(stage.infer(wrong), stage.infer(wrong)) == ["InferenceError", "InferenceError"]
        stage.runtime.seconds = 0
        assert await outcomes(stage.infer()) == ["Inferred"]

    working(stage.batcher, scene)


def check_that_a_batch_fails_alone(stage: Scene) -> None:
    """Check that two clips get the error of their batch, and count as failed, and that the next is answered."""

    async def scene() -> None:
        async with asyncio.timeout(10):
            assert await outcomes(stage.infer(), stage.infer()) == ["InferenceError", "InferenceError"]
            assert await outcomes(stage.infer()) == ["Inferred"]

    working(stage.batcher, scene)
    assert stage.model.statistics.report("one", "1")["inference_stats"]["fail"]["count"] == 2


class OddRows(Sleeper):
    """A runtime whose answers to clips are not one row for each, until it has been asked often enough."""

    outputs: ClassVar[list[Outputs]] = []

    def infer(self, inputs: Inputs) -> Outputs:
        answer = super().infer(inputs)
        return self.outputs.pop() if self.outputs else answer


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        ({"logits": np.zeros((1, 3), np.float32)}, "gave logits as float32 [1, 3] instead of [2, 3]"),
        ({"logits": np.zeros((3, 3), np.float32)}, "gave logits as float32 [3, 3] instead of [2, 3]"),
        ({"logits_rgb": np.zeros((2, 3), np.float32)}, "gave no logits"),
        ({"logits": np.zeros((2, 2), np.float32)}, "gave logits as float32 [2, 2] instead of [2, 3]"),
        ({"logits": np.zeros((2, 4), np.float32)}, "gave logits as float32 [2, 4] instead of [2, 3]"),
        ({"logits": np.zeros((2, 3, 1), np.float32)}, "gave logits as float32 [2, 3, 1] instead of [2, 3]"),
        ({"logits": np.zeros(2, np.float32)}, "gave logits as float32 [2] instead of [2, 3]"),
        ({"logits": np.zeros((2, 3), np.int64)}, "gave logits as int64 [2, 3] instead of"),
        ({"logits": np.zeros((2, 3), np.complex64)}, "gave logits as complex64 [2, 3] instead of"),
        ({"logits": np.full((2, 3), None)}, "gave logits as object [2, 3] instead of"),
        ({"logits": [[0.0] * 3] * 2}, "'list' object has no attribute"),
        ({"logits": np.array([[0, 1, 2], [0, np.nan, 0]], np.float32)}, "gave logits that are not all finite"),
        ({"logits": np.array([[0, 1, 2], [0, -np.inf, 0]], np.float16)}, "gave logits that are not all finite"),
        (None, "argument of type 'NoneType'"),
    ],
)
def test_outputs_that_are_no_answer_to_each_clip_fail_their_batch_alone(
    outputs: Any, reason: str, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    stage = scene_of(bundle, 0, max_batch=4, kind=OddRows)
    OddRows.outputs = [outputs]
    check_that_a_batch_fails_alone(stage)
    assert reason in caplog.text and "Traceback" in caplog.text


class Raising(Sleeper):
    """A runtime that raises what it is told to, once."""

    failures: ClassVar[list[BaseException]] = []

    def infer(self, inputs: Inputs) -> Outputs:
        if self.failures:
            raise self.failures.pop()
        return super().infer(inputs)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_whatever_comes_out_of_a_runtime_is_one_error_and_the_next_are_served(
    failure: BaseException, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    stage = scene_of(bundle, 0, max_batch=4, kind=Raising)
    Raising.failures = [failure]
    check_that_a_batch_fails_alone(stage)
    assert "2 clips of one 1 could not be computed" in caplog.text and type(failure).__name__ in caplog.text


class Slow(Sleeper):
    """A runtime that works in Python for as long as it is told."""

    def infer(self, inputs: Inputs) -> Outputs:
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            time.sleep(0.001)
        return super().infer({"rgb": inputs["rgb"][:0]}) | {"logits": np.zeros((len(inputs["rgb"]), 3), np.float32)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of a thread on its way out
def test_clips_are_computed_after_the_networks_thread_was_ended(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0, max_batch=4, kind=Slow)

    async def scene() -> None:
        async with asyncio.timeout(20):
            assert await outcomes(stage.infer()) == ["Inferred"]
            end_threads("network")  # while nothing is at work
            await asyncio.sleep(0.05)
            assert await outcomes(stage.infer()) == ["Inferred"]
            stage.runtime.seconds = 15
            at_work = asyncio.create_task(outcomes(stage.infer()))
            await asyncio.sleep(0.1)
            end_threads("network")
            assert await at_work == ["InferenceError"]
            stage.runtime.seconds = 0
            assert await outcomes(stage.infer()) == ["Inferred"]

    working(stage.batcher, scene)


def test_a_failure_after_the_network_is_answered_and_logged(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    failures = [ZeroDivisionError("it counts wrongly")]

    def observe(*_: object) -> None:
        if failures:
            raise failures.pop()

    batcher, model = Batcher(4, 0.0, BatchObserver(observe)), ServedModel(bundle, Sleeper(0), "one", "1")

    async def scene() -> None:
        async with asyncio.timeout(10):
            clips = [batcher.infer(model, CLIP) for _ in range(3)]
            assert await outcomes(*clips) == ["InferenceError"] * 3
            assert await outcomes(batcher.infer(model, CLIP)) == ["Inferred"]

    working(batcher, scene)
    assert "3 clips of one 1 could not be computed" in caplog.text and "it counts wrongly" in caplog.text
    assert model.statistics.report("one", "1")["inference_stats"]["fail"]["count"] == 3


def test_too_late_is_an_error_of_its_own() -> None:
    assert not issubclass(TooLateError, TimeoutError)


def test_what_is_at_work_is_counted_once_and_each_model_at_its_own_pace(bundle: Bundle) -> None:
    stage, other = scene_of(bundle, 0.8, max_batch=1), ServedModel(bundle, Sleeper(0), "other", "1")
    stage.model.latency.note(1, 0.8)
    other.latency.note(1, 10.0)

    async def scene() -> None:
        tasks = [asyncio.create_task(stage.infer()) for _ in range(2)]
        await asyncio.sleep(0.05)  # one is at work, one waits
        assert 0.8 < stage.batcher.expected_s(Counter()) < 1.6
        assert 20.8 < stage.batcher.expected_s(Counter({other: 2})) < 21.6
        assert await outcomes(*tasks) == ["Inferred"] * 2
        assert stage.batcher.expected_s(Counter()) == 0

    working(stage.batcher, scene)


def test_the_network_does_not_wait_behind_files_that_are_put_down(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0, max_batch=1)

    async def scene() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        is_answered = threading.Event()
        copying = asyncio.create_task(asyncio.to_thread(is_answered.wait, 30))
        await asyncio.sleep(0)
        await stage.infer()
        assert not copying.done()
        is_answered.set()
        assert await copying

    working(stage.batcher, scene)


def test_nothing_of_a_clip_or_its_model_is_kept_after_the_answer(bundle: Bundle) -> None:
    batcher = Batcher(4, 0.0, BatchObserver(lambda *_: None))

    async def ask() -> list[weakref.ref[Any]]:
        clip, model = CLIP["rgb"].copy(), ServedModel(bundle, Sleeper(0), "one", "1")
        await batcher.infer(model, {"rgb": clip})
        return [weakref.ref(clip), weakref.ref(model)]

    async def scene() -> None:
        left = await ask()
        await asyncio.sleep(0.05)  # the batcher waits again
        gc.collect()
        assert [one() for one in left] == [None, None]

    working(batcher, scene)


def test_whoever_goes_away_while_waiting_for_company_is_forgotten(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0, max_batch=4, max_delay_s=0.05)

    async def ask() -> weakref.ref[Any]:
        clip = CLIP["rgb"].copy()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stage.infer({"rgb": clip}), 0.01)
        return weakref.ref(clip)

    async def scene() -> None:
        left = await ask()
        await asyncio.sleep(0.2)  # longer than anybody waits for company
        gc.collect()
        assert left() is None

    working(stage.batcher, scene)


def test_an_explanation_of_the_largest_logits_is_finite() -> None:
    largest = np.array([3e38, -3e38, 0], np.float32)

    async def logits(_: Clips) -> Any:
        return -largest

    found = asyncio.run(explain(CLIP, largest, 1, logits, at_once=2))
    assert found.lead == pytest.approx(-6e38)
    assert np.isfinite(found.regions).all() and np.isfinite(found.moments).all()


def test_nothing_of_a_request_is_computed_after_one_of_its_clips_failed(bundle: Bundle) -> None:
    stage = scene_of(bundle, 0.05, max_batch=2, kind=Failing)  # long enough for its first failure to be heard of

    async def logits(clips: Clips) -> Any:
        return (await stage.infer(clips)).outputs["logits"]

    async def scene() -> None:
        for work in (
            gather_or_cancel(stage.infer() for _ in range(16)),
            explain(CLIP, np.zeros(3, np.float32), 0, logits, at_once=2),
        ):
            stage.runtime.batches.clear()
            assert await outcomes(work) == ["InferenceError"]
            await asyncio.sleep(0.3)
            assert stage.batcher.num_waiting == 0
            assert len(stage.runtime.batches) <= 2  # the next had begun

    working(stage.batcher, scene)
