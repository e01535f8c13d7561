"""Nodes of torchrun that join a run and are lost again, as two agents on this machine: the run goes on."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.support.ports import free_port
from tests.support.processed import write_clips, write_toy_config
from tests.support.runs import start
from tests.support.waiting import wait_until
from tests.support.warm import TalkingProcess
from training.run.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

SOON = "last_call_timeout=1"  # s that it waits for more nodes, by default 30


@contextmanager
def node(config: Path, port: int) -> Iterator[TalkingProcess]:
    """Start an agent of torchrun, and see that it and what it has started end with the test."""
    launch = ["torch.distributed.run", "--nnodes=1:2", "--nproc_per_node=1", "--max_restarts=1", "--rdzv_id=job"]
    launch += ["--rdzv_backend=c10d", f"--rdzv_endpoint=localhost:{port}", f"--rdzv_conf={SOON}"]
    launch += ["--local_addr=localhost", "--monitor_interval=0.5", "-m", "training.main", "--config", str(config)]
    process = start(*launch, new_session=True)
    try:
        yield process
    finally:
        switch_off(process)


def switch_off(agent: TalkingProcess) -> None:
    """End an agent and what it has started at once, as when a machine is switched off."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children")
    pids = [agent.pid, *map(int, children.read_text().split())] if agent.poll() is None else []
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    agent.wait()


def test_a_node_joins_and_is_lost_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    write_clips(tmp_path / "data", clips={"train": 24, "valid": 5})
    schedule, keep = {"epochs": 100_000, "warmup_epochs": 1}, {"every_steps": 1}
    config = write_toy_config(
        tmp_path / "run.yml", tmp_path / "data", tmp_path / "out", schedule=schedule, batch_size=2, keep=keep
    )
    last = tmp_path / "out" / "last.pt"
    port = free_port()

    def trains_on(num_processes: int) -> bool:
        time.sleep(0.2)  # it is read whole each time
        return last.exists() and load_checkpoint(last).position.num_processes == num_processes

    with node(config, port) as first:
        wait_until(lambda: trains_on(1), first)
        before = load_checkpoint(last)
        with node(config, port) as second:
            wait_until(lambda: trains_on(2), first)
            switch_off(second)
            wait_until(lambda: trains_on(1), first)
        first.send_signal(signal.SIGTERM)
        output, _ = first.communicate()
    assert output.count("going on in epoch") >= 2, output
    assert output.count("stopped, and saved") >= 2
    after = load_checkpoint(last)
    assert after.training["run"] == before.training["run"]
    assert after.position.step > before.position.step
