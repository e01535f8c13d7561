"""Several devices of a kind: their names, and a graph on each."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes import Inputs, Outputs, RuntimeInfo
from export.runtimes.devices import SeveralDevices, index_of, kind_of, split_devices
from export.runtimes.loading import load_runtime
from rgbd.errors import UserError

KINDS = ("cpu", "cuda", "tensorrt")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cpu", ("cpu",)),
        ("cuda:1", ("cuda:1",)),
        ("cuda:0, cuda:1", ("cuda:0", "cuda:1")),
        ("cuda,cuda:3", ("cuda", "cuda:3")),
    ],
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert split_devices(text, KINDS) == names
    assert {kind_of(name) for name in names} <= set(KINDS)
    assert [index_of(name) for name in names] == [int(name[-1]) if ":" in name else 0 for name in names]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abacus", "device 'abacus': give one of cpu, cuda, tensorrt, or several"),
        ("cuda:", "device 'cuda:': give one of"),
        ("cuda:-1", "device 'cuda:-1': give one of"),
        ("", "device '': give one of"),
        ("cuda:0,", "device '': give one of"),
        ("cpu,cuda:0", "give devices of one kind"),
        ("cuda,cuda:0", "names a device twice"),
    ],
)
def test_what_is_no_device_is_named(text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        split_devices(text, KINDS)


class Busy:
    """A runtime for one thread at a time, which says where it is."""

    def __init__(self, device: str) -> None:
        self.info = RuntimeInfo("busy", device, "fp32")
        self.num_calls, self._lock = 0, threading.Lock()

    def infer(self, inputs: Inputs) -> Outputs:
        assert self._lock.acquire(blocking=False), "two threads at a time"
        time.sleep(0.02)
        self.num_calls += 1
        self._lock.release()
        return {"logits": np.zeros((len(inputs["rgb"]), 3), np.float32)}


def test_each_device_has_one_call_at_a_time_and_all_have_some() -> None:
    runtimes = [Busy(f"cpu:{index}") for index in range(2)]
    several, failures = SeveralDevices(runtimes), list[BaseException]()
    assert several.info == RuntimeInfo("busy", "cpu:0,cpu:1", "fp32")

    def call() -> None:
        try:
            for _ in range(5):
                several.infer({"rgb": np.zeros((1, 2), np.uint8)})
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sum(runtime.num_calls for runtime in runtimes) == 20 and min(runtime.num_calls for runtime in runtimes) > 5


def test_a_bundle_answers_the_same_on_several(tmp_path: Path) -> None:
    bundle = read_bundle(make_bundle(tmp_path))
    clips = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, batch=2)
    one, two = load_runtime(bundle), load_runtime(bundle, "cpu:0,cpu:1")
    assert two.info == RuntimeInfo(one.info.name, "cpu:0,cpu:1", one.info.precision)
    for head, scores in one.infer(clips).items():
        np.testing.assert_array_equal(two.infer(clips)[head], scores)
    with pytest.raises(UserError, match="cuda:0"):
        load_runtime(bundle, "cuda:0,cuda:1")
