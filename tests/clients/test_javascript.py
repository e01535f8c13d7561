"""The JavaScript client in Node, against a real service; the browser's tests use it through the page."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from clients.client import Client
from serve.keys import add_key
from tests.support.client_recording import write_recording
from tests.support.server import running_server

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "serve" / "static" / "client" / "rgbd-motion.js"
NODE = shutil.which("node")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `use_client.mjs` got from a service, and what the Python client gets from it."""
    if NODE is None:
        pytest.skip("the JavaScript client is not tested: no Node here")
    folder = tmp_path_factory.mktemp("javascript")
    key = add_key(folder / "keys.json", "lab", None, admin=True)
    rgb, depth = write_recording(folder)
    with running_server(make_bundle(folder / "model"), api_keys=folder / "keys.json") as server:
        script = Path(__file__).with_name("use_client.mjs")
        command = [NODE, "--experimental-websocket", script, MODULE, server.url, key, rgb, depth]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert result.returncode == 0, result.stderr
        with Client(server.url, api_key=key) as client:
            expected = client.predict(rgb, depth, top_k=2)
    return json.loads(result.stdout) | {"expected": expected}


def test_a_recording_is_answered_as_by_the_python_client(found: Any) -> None:
    scores = [(score.label, score.score) for score in found["expected"].predictions]
    assert [(score["label"], score["score"]) for score in found["answer"]["predictions"]] == scores
    assert found["models"][0]["name"] == found["details"]["name"] and found["details"]["clip_spec"]
    assert len(found["windows"]) == 2 and len(found["preview"]["rgb"]["sampled"]) > 1
    assert found["timeline"]["windows"] and found["timeline"]["step_s"] > 0


def test_problems_say_what_and_why(found: Any) -> None:
    refused, unreachable = found["refused"], found["unreachable"]
    assert refused["ours"] and refused["status"] == 415 and refused["word"] and refused["title"] and refused["message"]
    assert unreachable == {
        "ours": True,
        "status": 0,
        "word": "",
        "message": "The service cannot be reached.",
        "retryAfterS": None,
    }
    assert found["without_key"]["status"] == 401
    assert found["aborted"] == "AbortError"


def test_another_key_may_be_had_while_it_is_asked(found: Any) -> None:
    assert found["refused_keys"] == [None, "wrong"] and found["models_by_keys"] == found["models"]


def test_it_waits_for_a_busy_service_at_a_proxys_path(found: Any) -> None:
    assert found["at_last"] == [] and found["calls"] == 3
    assert (found["overloaded"]["status"], found["overloaded"]["word"], found["more_calls"]) == (503, "overloaded", 3)


def test_a_live_stream_is_answered(found: Any) -> None:
    kinds = {said["type"] for said in found["live"]}
    assert {"view", "answer", "event", "ended"} <= kinds and found["ready"]["window_s"] == 1
    assert {said["label"] for said in found["live"] if said["type"] == "event"} == {"red"}
    assert found["no_stream"]["ours"] and found["no_stream"]["word"] == "malformed_request"
