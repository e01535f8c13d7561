"""A Ray cluster of two nodes: one is killed midway, nothing is lost and nothing is done twice."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from preprocess.pipeline.ray_engine import RayEngine
from rgbd.errors import UserError
from rgbd.locks import LockedError
from tests.support.ntu_recordings import make_recording
from tests.support.ntu_runs import run, start, times_of
from tests.support.ray_cluster import running_cluster
from tests.support.waiting import wait_until

NUM_JOBS = 24
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class SlowJob:
    """Notes in a folder which processes work on which node, and in a file which numbers are worked on to the end.

    The head waits for the other node, whose process may start long after its own, to have done a job.
    """

    folder: Path

    def __call__(self, number: int) -> int:
        node = os.environ["NODE_NAME"]
        (self.folder / f"{node}.{os.getpid()}").touch()
        log_file = self.folder / "log"
        if node == "head":
            wait_until(lambda: log_file.exists() and "other" in log_file.read_text())
        time.sleep(0.25)
        with log_file.open("a") as log:
            log.write(f"{number} {node}\n")
        return number**2


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running_cluster(tmp_path) as cluster:
        yield cluster


def test_losing_a_node_loses_no_job_and_does_none_twice(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1, env_vars={"NODE_NAME": "other"})
    results = {}
    for index, result in RayEngine(cluster.address).run(SlowJob(tmp_path), range(NUM_JOBS)):
        results[index] = result
        if len(results) == NUM_JOBS // 3:
            for process in tmp_path.glob("other.*"):  # as when a machine is switched off: the work stops first
                os.kill(int(process.suffix[1:]), signal.SIGKILL)
            cluster.remove_node(node, allow_graceful=False)
    assert results == {number: number**2 for number in range(NUM_JOBS)}
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert Counter(number for number, _ in lines) == Counter(str(number) for number in range(NUM_JOBS))
    assert {node_name for _, node_name in lines} == {"head", "other"}


def test_the_command_goes_on_when_a_node_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1, env_vars={"NODE_NAME": "other"})
    raw, out = tmp_path / "raw", tmp_path / "data"
    clips = [f"S001C001P001R001A{action:03d}" for action in range(1, 41)]
    for clip in clips:
        make_recording(raw, clip, rgb_frames=12, depth_frames=12)
    process = start(raw, out, "--engine", "ray", "--address", cluster.address)
    wait_until(lambda: len(times_of(out)) >= 8, process)
    with pytest.raises(LockedError, match=f"process {process.pid} on "):
        run(raw, out)
    cluster.remove_node(node, allow_graceful=False)
    before = times_of(out)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    after = times_of(out)
    assert sorted(after) == clips and before.items() <= after.items()
    assert "40 of 40 clips done" in errors and "Traceback" not in errors


def test_no_cluster_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="ray start --head --disable-usage-stats"):
        next(RayEngine("127.0.0.1:1").run(str, [1]))
