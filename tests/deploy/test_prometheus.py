"""A real Prometheus watches a real service as it is deployed: its alerts fire, and its dashboard shows something."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import httpx
import pytest
import yaml

from tests.support.live import SIZE, talking
from tests.support.long_recordings import FPS, RED, coloured, lasting_a_second
from tests.support.prometheus import RULES, Prometheus, needs_prometheus, running_prometheus
from tests.support.requests import post, refused, request_at_work
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES, depth_frames

pytestmark = needs_prometheus

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboards" / "rgbd-motion.json").read_text())
ALERTS = [rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]]
# What Grafana puts in the place of its variables where all is chosen.
CHOSEN = {"$__rate_interval": "1m", "$instance": ".*", "$model": ".*"}

INTERVAL_S, NUM_STEPS = 15, 48
EVERY_STEP = f"0+1x{NUM_STEPS}"


def refusals(**counts: str) -> dict[str, str]:
    """Return series of refusals by their word."""
    return {f'rgbd_motion_refusals_total{{error="{error}"}}': values for error, values in counts.items()}


def steady(**values: float) -> dict[str, str]:
    """Return series that stay as they are."""
    return {f"rgbd_motion_{name}": f"{value}x{NUM_STEPS}" for name, value in values.items()}


def buckets(name: str, within: dict[str, str], labels: str = "") -> dict[str, str]:
    """Return a histogram: how often something took so many seconds at most."""
    return {f'rgbd_motion_{name}_seconds_bucket{{{labels}le="{bound}"}}': values for bound, values in within.items()}


def answers(within: dict[str, str]) -> dict[str, str]:
    return buckets("stage", within, 'stage="total", ') | steady(deadline_seconds=60)


def frames(seen: int, late: int) -> dict[str, str]:
    fates = {"seen": seen, "late": late}
    return {f'rgbd_motion_live_frames_total{{fate="{fate}"}}': f"0+{n}x{NUM_STEPS}" for fate, n in fates.items()}


def memory(used: int) -> dict[str, str]:
    of = 'namespace="lab", pod="one", container="rgbd-motion"'
    limit = f'kube_pod_container_resource_limits{{{of}, resource="memory"}}'
    return {f"container_memory_working_set_bytes{{{of}}}": f"{used}x{NUM_STEPS}", limit: f"100x{NUM_STEPS}"}


UP = 'up{job="rgbd-motion", instance="a"}'
MODEL = 'rgbd_motion_model_info{job="rgbd-motion", instance="a"}'
ONE_AT_THE_END, THREE_AT_THE_END = "0x40 1x8", "0x40 3x8"
# For each alert: what twelve minutes look like at whose end it fires, and what they look like where it does not.
FIRING: dict[str, list[dict[str, str]]] = {
    "RgbdMotionDown": [{UP: "1x40 0x8"}, {"up": "1x48"}],
    "RgbdMotionNoModel": [{UP: "1x48"}, {UP: "1x48", MODEL: "1x36 stale"}],
    "RgbdMotionWorkerFailed": [{'rgbd_motion_worker_failures_total{worker="network"}': ONE_AT_THE_END}],
    "RgbdMotionInternalErrors": [refusals(internal=ONE_AT_THE_END)],
    "RgbdMotionQueueNearlyFull": [steady(requests_in_flight=13, max_requests=16)],
    "RgbdMotionOverloaded": [refusals(queue_full=EVERY_STEP), refusals(overloaded=EVERY_STEP)],
    "RgbdMotionSlow": [answers({"45": f"0x{NUM_STEPS}", "60": EVERY_STEP, "+Inf": EVERY_STEP})],
    "RgbdMotionTooLate": [refusals(deadline=ONE_AT_THE_END)],
    "RgbdMotionDecoderCrashes": [refusals(decoder_crashed=THREE_AT_THE_END)],
    "RgbdMotionDecodersKilled": [refusals(decoder_killed=ONE_AT_THE_END)],
    "RgbdMotionMemoryNearlyFull": [memory(91)],
    "RgbdMotionNoSpace": [refusals(no_space=ONE_AT_THE_END)],
    "RgbdMotionLiveFramesLate": [frames(seen=80, late=20)],
    "RgbdMotionLiveLag": [buckets("live_lag", {"2.5": f"0x{NUM_STEPS}", "5": EVERY_STEP, "+Inf": EVERY_STEP})],
}
QUIET: dict[str, list[dict[str, str]]] = {
    "RgbdMotionDown": [{UP: "1x46 0x1"}],
    "RgbdMotionNoModel": [{UP: "1x48", MODEL: "1x48"}, {UP: "0x48"}],
    "RgbdMotionWorkerFailed": [{'rgbd_motion_worker_failures_total{worker="network"}': "0x10 1x38"}],
    "RgbdMotionInternalErrors": [refusals(internal="3x48", not_found=EVERY_STEP)],
    "RgbdMotionQueueNearlyFull": [steady(requests_in_flight=12, max_requests=16)],
    "RgbdMotionOverloaded": [refusals(queue_full="0x30 40x18"), refusals(rate_limit=EVERY_STEP)],
    "RgbdMotionSlow": [answers({"30": EVERY_STEP, "60": EVERY_STEP, "+Inf": EVERY_STEP})],
    "RgbdMotionTooLate": [refusals(deadline="0x48", gone=EVERY_STEP)],
    "RgbdMotionDecoderCrashes": [refusals(decoder_crashed="0x40 2x8")],
    "RgbdMotionDecodersKilled": [refusals(decoder_killed="0x48", decoder_crashed=ONE_AT_THE_END)],
    "RgbdMotionMemoryNearlyFull": [memory(89)],
    "RgbdMotionNoSpace": [refusals(no_space="0x48", too_large=EVERY_STEP)],
    "RgbdMotionLiveFramesLate": [frames(seen=95, late=5), frames(seen=0, late=0)],
    "RgbdMotionLiveLag": [buckets("live_lag", {"1": EVERY_STEP, "2.5": EVERY_STEP, "+Inf": EVERY_STEP})],
}


def promtool(*words: object) -> str:
    """Return what promtool says, which must find nothing wrong."""
    result = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_prometheus_understands_the_files() -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "config", RULES.parent / "prometheus.yml")


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"].keys() == {"severity"} and rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description"}


def test_the_page_for_operators_lists_every_alert() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    assert re.findall(r"^\| `(RgbdMotion\w+)` \|", page, re.MULTILINE) == ALERTS


def test_each_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    assert list(FIRING) == list(QUIET) == ALERTS
    tests = []
    for cases, is_firing in ((FIRING, True), (QUIET, False)):
        for alert, histories in cases.items():
            for history in histories:
                check = {
                    "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})',
                    "eval_time": f"{INTERVAL_S * NUM_STEPS}s",
                    "exp_samples": [{"labels": "{}", "value": 1}] if is_firing else [],
                }
                series = [{"series": name, "values": values} for name, values in history.items()]
                interval = f"{INTERVAL_S}s"
                tests.append({"interval": interval, "input_series": series, "promql_expr_test": [check]})
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": tests}))
    promtool("test", "rules", file)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(lasting_a_second(tmp_path_factory.mktemp("bundle"), "rgbd"), max_requests=1) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has seen the service answer, follow a stream, and refuse a request because others were at work."""
    target, folder = server.url.removeprefix("http://"), tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, target) as running:
        running.wait_for('up{job="rgbd-motion"} == 1')
        follow(server)
        with request_at_work(server) as (decoder, answer):
            running.wait_for("rgbd_motion_stage_seconds_count")  # of one answer: from here on others are a rise
            refused(post(server, **FILES), 429, "queue_full")
            running.wait_for('ALERTS{alertname="RgbdMotionQueueNearlyFull"}')
            os.kill(decoder, signal.SIGCONT)
            assert answer.result().status_code == 200
        running.wait_for('rgbd_motion_stage_seconds_count{stage="total"} == 2')
        yield running


def follow(server: RunningServer) -> None:
    """Send a live stream."""
    with talking(server) as talk:
        talk.hello("rgb", "depth", size=SIZE)
        for number, (colour, depth) in enumerate(zip(coloured((RED, 1.5)), depth_frames(30), strict=True)):
            talk.frame("rgb", number / FPS, colour, "jpeg")
            talk.frame("depth", number / FPS, depth)
            time.sleep(0.5 / FPS)
        assert talk.end()[-1]["answers"] > 0


def replaced(query: str, values: dict[str, str]) -> str:
    """Return a query with values in the place of its variables."""
    return reduce(lambda text, name: text.replace(name, values[name]), values, query)


@pytest.mark.slow
def test_a_queue_that_was_full_is_told(prometheus: Prometheus) -> None:
    prometheus.wait_for('ALERTS{alertname="RgbdMotionOverloaded", error="queue_full", alertstate="firing"}')


@pytest.mark.slow
def test_every_query_of_the_dashboard_finds_something(prometheus: Prometheus) -> None:
    prometheus.wait_for('ALERTS{alertname="RgbdMotionOverloaded"}')
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    variables = [variable["query"]["query"] for variable in DASHBOARD["templating"]["list"][1:]]
    queries += [re.sub(r"label_values\((.+), \w+\)", r"\1", query) for query in variables]
    assert len(queries) > 15
    for query in queries:
        asked = replaced(query, CHOSEN)
        assert "$" not in asked
        found = prometheus.ask(asked)
        assert found and "NaN" not in [series["value"][1] for series in found], query


@pytest.mark.slow
def test_the_autoscaler_is_told_how_many_clips_wait(prometheus: Prometheus) -> None:
    (rule,) = yaml.safe_load((RULES.parent / "adapter.yml").read_text())["rules"]
    series = rule["seriesQuery"].partition("{")[0]
    chosen = {"<<.Series>>": series, "<<.LabelMatchers>>": 'namespace="lab",pod=~"one"', "<<.GroupBy>>": "pod"}
    assert prometheus.ask(rule["seriesQuery"])
    (found,) = prometheus.ask(replaced(rule["metricsQuery"], chosen))
    assert found["metric"] == {"pod": "one"}


@pytest.mark.slow
def test_a_service_without_a_model_is_told(server: RunningServer, prometheus: Prometheus) -> None:
    assert httpx.post(server.url + "/v2/repository/models/tiny/unload").status_code == 200
    prometheus.wait_for('ALERTS{alertname="RgbdMotionNoModel", alertstate="firing"}')
