"""A Ray cluster on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster


@contextmanager
def running_cluster(home: Path) -> Iterator[Cluster]:
    """Yield a cluster of one node that keeps to this machine; `home` is its home folder.

    A head whose reports are off still says so to Ray's makers, and asks which cloud it is in where no file tells it.
    """
    (home / "ray_bootstrap_config.yaml").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_USAGE_STATS_REPORT_URL", "http://127.0.0.1:9")
        quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 2}  # else half a minute passes
        head = {"num_cpus": 1, "env_vars": {"NODE_NAME": "head"}, "_system_config": quick}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        yield cluster
        cluster.shutdown()
