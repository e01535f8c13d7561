"""A real Prometheus on a free port, with a configuration of ours."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from benchmarks.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
_INTERVAL = "1s"

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="alerts and dashboard are not tested: no prometheus here"
)


# What Kubernetes tells Prometheus of a pod.
_POD = {
    "__meta_kubernetes_pod_label_app_kubernetes_io_name": "rgbd-motion",
    "__meta_kubernetes_pod_container_port_name": "http",
    "__meta_kubernetes_pod_phase": "Running",
    "__meta_kubernetes_namespace": "lab",
    "__meta_kubernetes_pod_name": "one",
}


def _cluster_config(static_configs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the configuration for a cluster with these targets, and no key, in place of what it would find there.

    Debian's Prometheus cannot ask a cluster.
    """
    config: dict[str, Any] = yaml.safe_load((RULES.parent / "kubernetes.yml").read_text())
    (job,) = config["scrape_configs"]
    del job["authorization"], job["kubernetes_sd_configs"]
    job["static_configs"] = static_configs
    return config


@dataclass(frozen=True)
class Prometheus:
    """One that scrapes a service every second."""

    url: str

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return what a query finds now: `metric` and `value` of each series."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=30).json()
        assert answer["status"] == "success", f"{query}: {answer['error']}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def wait_for(self, query: str) -> None:
        """Wait until a query finds something."""
        wait_until(lambda: bool(self.ask(query)))


@contextmanager
def running_prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Watch the service at `target` as one of the pods of a cluster, but faster: no alert waits to fire."""
    config = _cluster_config([{"targets": [target], "labels": _POD}])
    config["global"] = {"scrape_interval": _INTERVAL, "scrape_timeout": _INTERVAL, "evaluation_interval": _INTERVAL}
    rules = yaml.safe_load(RULES.read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["for"] = "0m"
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={address}"], stderr=log)
        try:
            wait_until(lambda: _is_ready(address), process)
            yield Prometheus(f"http://{address}")
        finally:
            process.kill()
            process.wait()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/-/ready").is_success
    except httpx.TransportError:
        return False
