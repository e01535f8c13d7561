"""`POST /explain` where several people are found: the answer about any of them can be explained."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from rgbd.clip.preparation import Preparation
from tests.support.raw_clips import empty_room, seen, write_raw
from tests.support.requests import post, refused
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES, zip_folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    spec = SPEC.model_copy(update={"resize": (320, 240), "crop": (224, 224)})
    preparation = Preparation(streams=("rgb", "depth"), masks="body", roi="clip")
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"), spec=spec, preparation=preparation)) as server:
        yield server


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A recording of two people."""
    given = write_raw(tmp_path_factory.mktemp("two"), seen(-0.8, 0.7))
    return {"rgb": given["rgb"].read_bytes(), "depth": zip_folder(given["depth"])}


def test_the_answer_about_each_person_is_explained(server: RunningServer, two: dict[str, bytes]) -> None:
    people = post(server, "/predict?people=each", **two).json()["people"]
    found = [post(server, f"/explain?person={number}", **two).json() for number in (1, 2)]
    for answer, explanation in zip(people, found, strict=True):
        best = answer["predictions"][0]
        assert explanation["person"] == answer["person"]
        assert (explanation["label"], explanation["score"]) == (best["label"], pytest.approx(best["score"], abs=1e-6))
        assert not any("people were found" in warning for warning in explanation["warnings"])
    assert found[0]["regions"] != found[1]["regions"]


@pytest.mark.parametrize(("people", "person"), [("largest", 1), ("all", None)])
def test_whom_predict_can_be_about_can_be_explained(
    server: RunningServer, two: dict[str, bytes], people: str, person: int | None
) -> None:
    best = post(server, f"/predict?people={people}", **two).json()["predictions"][0]
    explanation = post(server, f"/explain?people={people}", **two).json()
    assert (explanation["person"], explanation["label"]) == (person, best["label"])
    assert explanation["score"] == pytest.approx(best["score"], abs=1e-6)
    assert np.isfinite(explanation["regions"]).all()


def test_a_person_who_is_not_there_is_refused_with_those_who_are(
    server: RunningServer, two: dict[str, bytes], tmp_path: Path
) -> None:
    detail = refused(post(server, "/explain?person=3", **two), 422, "unusable_clip")
    assert detail == "person 3: there are the people 1, 2, 1 being the largest"
    room = write_raw(tmp_path, empty_room())
    files = {"rgb": room["rgb"].read_bytes(), "depth": zip_folder(room["depth"])}
    assert "nobody was found" in refused(post(server, "/explain?person=1", **files), 422, "unusable_clip")
    prepared = refused(post(server, "/explain?person=1", {"prepared": True}, **FILES), 422, "unusable_clip")
    assert "person 1: this recording is taken as prepared" in prepared
    both = refused(post(server, "/explain?people=all&person=1", **FILES), 400, "malformed_request")
    assert "person: was given together with people=all" in both
    refused(post(server, "/explain?people=each", **FILES), 400, "malformed_request")
    refused(post(server, "/explain?person=0", **FILES), 400, "malformed_request")
