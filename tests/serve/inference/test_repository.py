"""Several models, and models that come, go and change while the service answers."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import tritonclient.http as triton

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, sha256, write_manifest
from export.commands.pack import pack_bundle
from serve.inference import repository
from serve.inference.loading import load_models
from serve.inference.repository import Place, Repository
from serve.inference.served_model import ServedModel
from serve.settings import Settings
from tests.support.commands import assert_refused, run_module
from tests.support.fake_runtime import Sleeper, outcomes
from tests.support.requests import post, refused
from tests.support.server import RunningServer, running_server
from tests.support.uploads import npz, rgb_frames

FILES = {"rgb": npz(rgb_frames())}


def bundle(path: Path, *labels: str) -> Path:
    """Write a bundle with its labels."""
    make_bundle(path, "rgb")
    manifest = read_bundle(path).manifest
    write_manifest(path, manifest.model_copy(update={"labels": labels or manifest.labels}))
    return path


@contextmanager
def served(models: Path) -> Iterator[tuple[RunningServer, triton.InferenceServerClient]]:
    with running_server(models=models) as server:
        client = triton.InferenceServerClient(server.url.removeprefix("http://"))
        yield server, client
        client.close()


def best(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return str(response.json()["predictions"][0]["label"])


def states(client: triton.InferenceServerClient) -> dict[tuple[str, str], str]:
    return {(entry["name"], entry["version"]): entry["state"] for entry in client.get_model_repository_index()}


def test_a_request_says_which_model_it_asks(tmp_path: Path) -> None:
    bundle(tmp_path / "colours" / "9", "old red", "g", "b")
    bundle(tmp_path / "colours" / "10", "new red", "g", "b")
    pack_bundle(read_bundle(bundle(tmp_path / ".copied" / "1", "packed red", "g", "b")), tmp_path / "1.zip")
    (tmp_path / "packed").mkdir()
    (tmp_path / "1.zip").rename(tmp_path / "packed" / "1.zip")
    with served(tmp_path) as (server, client):
        assert best(post(server, "/predict?model=colours", **FILES)) == "new red"  # 10 is newer than 9
        assert best(post(server, "/predict?model=colours&version=9", **FILES)) == "old red"
        answer = post(server, "/predict?model=packed", **FILES)
        assert best(answer) == "packed red"
        assert (answer.json()["model"]["name"], answer.json()["model"]["version"]) == ("packed", "1")
        assert "colours, packed" in refused(post(server, **FILES), 400, "which_model")
        assert "version 11" in refused(post(server, "/predict?model=colours&version=11", **FILES), 404, "unknown_model")
        assert client.get_model_metadata("colours")["versions"] == ["10", "9"]
        assert post(server, "/preview?model=packed", **FILES).status_code == 200
        assert set(states(client).values()) == {"READY"} and len(states(client)) == 3


def test_models_come_and_go(tmp_path: Path) -> None:
    bundle(tmp_path / "colours" / "1")
    with served(tmp_path) as (server, client):
        bundle(tmp_path / "late" / "1", "late red", "g", "b")
        assert states(client) == {("colours", "1"): "READY", ("late", "1"): "UNAVAILABLE"}
        assert [entry["name"] for entry in client_index(server, ready=True)] == ["colours"]
        client.load_model("late")
        assert best(post(server, "/predict?model=late", **FILES)) == "late red"
        client.unload_model("colours")
        assert not client.is_model_ready("colours")
        assert best(post(server, **FILES)) == "late red"  # no name is needed where only one is left
        refused(post(server, "/predict?model=colours", **FILES), 404, "unknown_model")
        with pytest.raises(triton.InferenceServerException, match="no bundle of a model 'other'"):
            client.load_model("other")
        with pytest.raises(triton.InferenceServerException, match="not_found"):
            client.load_model("../late")
        with pytest.raises(triton.InferenceServerException, match="Extra inputs are not permitted"):
            client.load_model("late", config="{}")


def client_index(server: RunningServer, ready: bool) -> list[dict[str, str]]:
    return list(httpx.post(server.url + "/v2/repository/index", json={"ready": ready}).json())


def test_a_new_version_takes_over_without_a_lost_request(tmp_path: Path) -> None:
    bundle(tmp_path / "colours" / "1", "old red", "g", "b")
    with served(tmp_path) as (server, client), ThreadPoolExecutor(4) as threads:
        stop = threading.Event()

        def ask() -> list[str]:
            answers = []
            while not stop.is_set():
                answers.append(best(post(server, **FILES)))
            return answers

        asking = [threads.submit(ask) for _ in range(4)]
        try:
            for number in range(3):  # in the place of the old version, then beside it
                fresh = bundle(tmp_path / ".copied", f"red {number}", "g", "b")
                (tmp_path / "colours" / "1").rename(tmp_path / f".{number}")
                fresh.rename(tmp_path / "colours" / "1")
                client.load_model("colours")
                assert best(post(server, **FILES)) == f"red {number}"
            bundle(tmp_path / "colours" / "2", "newest red", "g", "b")
            client.load_model("colours")
            assert best(post(server, **FILES)) == "newest red"
        finally:
            stop.set()
        answers = [answer for answered in asking for answer in answered.result()]
    assert len(answers) > 10
    assert {"old red", "red 0", "red 1", "red 2", "newest red"} >= set(answers)


def test_a_broken_successor_changes_nothing(tmp_path: Path) -> None:
    bundle(tmp_path / "colours" / "1", "old red", "g", "b")
    with served(tmp_path) as (server, client):
        graph = tmp_path / "colours" / "1" / "model.onnx"
        graph.write_bytes(graph.read_bytes()[:-1])
        manifest = tmp_path / "colours" / "1" / "bundle.json"
        manifest.write_text(manifest.read_text() + "\n")
        with pytest.raises(triton.InferenceServerException, match="does not match the hash"):
            client.load_model("colours")
        assert best(post(server, **FILES)) == "old red"
        graph.unlink()
        manifest.unlink()
        (tmp_path / "colours" / "1").rmdir()
        assert best(post(server, **FILES)) == "old red"
        assert states(client) == {("colours", "1"): "READY"}
        with pytest.raises(triton.InferenceServerException, match="holds no models"):
            client.load_model("colours")
        assert best(post(server, **FILES)) == "old red"


def test_a_version_may_become_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()

    def hash_file(path: Path) -> str:
        threads.add(threading.current_thread())
        return sha256(path)

    folder = bundle(tmp_path / "colours" / "1", "old red", "g", "b")
    models = load_models(Settings(models=tmp_path))
    monkeypatch.setattr(repository, "sha256", hash_file)
    pack_bundle(read_bundle(bundle(tmp_path / ".copied", "packed red", "g", "b")), tmp_path / "colours" / "1.zip")
    shutil.rmtree(folder)
    asyncio.run(models.load("colours"))
    assert models.get("colours").bundle.manifest.labels[0] == "packed red"
    assert threads and threading.current_thread() not in threads  # a large file would hold up all others


def test_versions_may_have_any_names(tmp_path: Path) -> None:
    for version in ("10", "²", "9"):
        bundle(tmp_path / "colours" / version)
    assert load_models(Settings(models=tmp_path)).versions("colours") == ["²", "10", "9"]


def test_what_does_not_fit_is_not_loaded(tmp_path: Path) -> None:
    bundle(tmp_path / "models" / "colours" / "1")
    result = run_module("serve", "check", "--models", tmp_path / "models", "--max-model-memory-mb", 1)
    assert_refused(result, "there is no room for it", "max_model_memory_mb=1", "unload another model")
    assert_refused(run_module("serve", "check", "--models", tmp_path / "nowhere"), "is no folder", "<name>/<version>/")


@pytest.mark.parametrize("failure", [StopIteration(), SystemExit(0), KeyboardInterrupt()], ids=repr)
def test_whatever_comes_out_of_loading_fails_that_alone(tmp_path: Path, failure: BaseException) -> None:
    place, failures = Place("one", "1", make_bundle(tmp_path, "rgb")), [failure]

    def load(_: Place) -> ServedModel:
        if failures:
            raise failures.pop()
        return ServedModel(read_bundle(tmp_path), Sleeper(0), "one", "1")

    async def scene() -> None:
        repository = Repository(lambda: [place], load, None)
        async with asyncio.timeout(10):
            assert await outcomes(repository.load("one")) == ["RuntimeError"]
            await repository.load("one")
        assert [model.name for model in repository.ready] == ["one"]

    asyncio.run(scene())
