"""Replicas on a Ray cluster of two nodes: refusals, the loss of a node, a replica that is not ready, the end."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psutil
import pytest
from ray.cluster_utils import Cluster

from benchmarks.support.ports import free_port
from benchmarks.support.server import RunningServer, running_server
from benchmarks.support.tiny_bundle import make_bundle
from rgbd.errors import ConfigError
from serve.__main__ import main
from tests.support.commands import assert_refused, run_module
from tests.support.ray_cluster import running_cluster
from tests.support.requests import post, refused
from tests.support.uploads import FILES
from tests.support.waiting import wait_until

MAX_REQUESTS = 2  # of each replica
NUM_CLIENTS = 4

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("home")) as cluster:
        cluster.add_node(num_cpus=1)
        yield cluster


@pytest.fixture(scope="module")
def service(cluster: Cluster, bundle: Path) -> Iterator[RunningServer]:
    """Two replicas, one on each node; asked by the proxy of the head."""
    words = ("serve", "ray", "--replicas", "2", "--address", cluster.address)
    limits = {"max_requests": MAX_REQUESTS, "num_decoders": 1, "max_live": 0}
    with running_server(bundle, module=words, port=free_port(), **limits) as server:
        yield server


def processes_of(node: Any) -> list[psutil.Process]:
    """Return the process that is a node of the cluster, and all those that work there."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [raylet, *raylet.children(recursive=True)]


@contextmanager
def stopped_decoders(nodes: Sequence[Any]) -> Iterator[None]:
    """Let no request come to its answer while the block runs."""
    processes = [process for node in nodes for process in processes_of(node)]
    decoders = [process for process in processes if any("spawn_main" in word for word in process.cmdline())]
    assert decoders
    for decoder in decoders:
        decoder.suspend()
    try:
        yield
    finally:
        for decoder in decoders:
            decoder.resume()


def ask_until(over: Event, server: RunningServer, outcomes: list[str]) -> int:
    """Ask again and again; note what becomes of each request, and return how many were sent."""
    num_asked = 0
    while not over.is_set():
        num_asked += 1
        try:
            outcomes.append(str(post(server, **FILES).status_code))
        except httpx.TimeoutException:
            raise  # this is what it means to be lost silently
        except httpx.TransportError as error:
            outcomes.append(type(error).__name__)  # Ray closes the connection of a request whose replica is lost
    return num_asked


def test_the_service_itself_refuses_what_is_too_much(cluster: Cluster, service: RunningServer) -> None:
    room = 2 * MAX_REQUESTS
    with ThreadPoolExecutor(room + 1) as threads:
        with stopped_decoders(cluster.list_all_nodes()):
            answers = [threads.submit(post, service, **FILES) for _ in range(room + 1)]
            first = next(as_completed(answers)).result()
        assert "requests are at work or waiting" in refused(first, 429, "queue_full")
        assert {answer.result().status_code for answer in answers} == {200, 429}


def test_a_lost_node_costs_only_requests_whose_clients_see_it(cluster: Cluster, service: RunningServer) -> None:
    outcomes: list[str] = []
    over = Event()
    (other,) = cluster.worker_nodes
    with ThreadPoolExecutor(NUM_CLIENTS) as threads:
        clients = [threads.submit(ask_until, over, service, outcomes) for _ in range(NUM_CLIENTS)]
        try:
            wait_until(lambda: outcomes.count("200") >= 2 * NUM_CLIENTS)
            for process in processes_of(other):  # as when a machine is switched off: nobody says goodbye
                process.kill()
            num_before = len(outcomes)
            wait_until(lambda: outcomes[num_before:].count("200") >= 4 * NUM_CLIENTS)
        finally:
            over.set()
        num_asked = sum(client.result() for client in clients)
    cluster.remove_node(other, allow_graceful=False)
    assert len(outcomes) == num_asked
    assert set(outcomes) <= {"200", "429", "RemoteProtocolError", "ReadError"}, Counter(outcomes)
    assert [post(service, **FILES).status_code for _ in range(6)] == [200] * 6
    wait_until(lambda: "replicas: 1 running" in service.log.read_text())


def test_a_replica_that_is_not_ready_is_replaced(service: RunningServer) -> None:
    """Without its model the replica answers, but cannot be asked for anything; a new one loads it again."""
    httpx.post(f"{service.url}/v2/repository/models/tiny/unload", timeout=30).raise_for_status()
    assert httpx.get(f"{service.url}/v2/health/ready", timeout=30).status_code == 503
    wait_until(lambda: httpx.get(f"{service.url}/v2/health/ready", timeout=30).status_code == 200)
    assert post(service, **FILES).status_code == 200


def test_a_second_service_is_refused(cluster: Cluster, service: RunningServer, bundle: Path) -> None:
    words = ("--bundle", bundle, "--address", cluster.address)
    assert_refused(run_module("serve", "ray", *words), "the Ray cluster serves already (rgbd-motion)")
    assert post(service, **FILES).status_code == 200


def test_requests_at_work_are_answered_before_it_ends(cluster: Cluster, service: RunningServer) -> None:
    with ThreadPoolExecutor() as threads:
        with stopped_decoders([cluster.head_node]):
            answer = threads.submit(post, service, **FILES)
            time.sleep(1)  # longer than a local upload takes
            os.kill(service.process.pid, signal.SIGTERM)
            time.sleep(3)  # longer than Ray waits before it looks for requests at work
            assert service.process.poll() is None and not answer.done()
        assert answer.result().status_code == 200
    assert service.process.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(service.url)


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # of Ray Serve, as it is imported
def test_options_that_do_not_go_together_are_refused(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="are for a Ray cluster"):
        main(["--bundle", str(bundle), "--replicas", "2"])
    with pytest.raises(ConfigError, match=r"port 0: .*; name one"):
        main(["ray", "--bundle", str(bundle), "--port", "0"])
