"""What `POST /preview` says of a recording: small pictures, and what an answer would look at in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from rgbd.clip.preparation import Preparation
from tests.support.raw_clips import empty_room, seen, write_raw
from tests.support.requests import post, refused
from tests.support.server import RunningServer, running_server
from tests.support.uploads import depth_frames, npz, rgb_frames, zip_folder

_PREPARATION = Preparation(streams=("rgb", "depth"), masks="body", roi="clip")
_SPEC = SPEC.model_copy(update={"resize": (320, 240), "crop": (224, 224)})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("bundle")
    with running_server(make_bundle(folder, spec=_SPEC, preparation=_PREPARATION)) as server:
        yield server


def raw(folder: Path, *aside_m: float) -> dict[str, bytes]:
    """Return a recording of people so far aside, or of an empty room."""
    given = write_raw(folder, seen(*aside_m) if aside_m else empty_room())
    return {"rgb": given["rgb"].read_bytes(), "depth": zip_folder(given["depth"])}


def preview(server: RunningServer, files: dict[str, bytes], meta: object = None) -> Any:
    response = post(server, "/preview", meta, **files)
    assert response.status_code == 200, response.text
    return response.json()


def test_it_shows_what_an_answer_looks_at(server: RunningServer, tmp_path: Path) -> None:
    files = raw(tmp_path, 0.2)
    answer = post(server, **files).json()
    reply = preview(server, files)
    assert reply["preparation"] == {"was_prepared": False, "decided_by": "looks", "num_people": 1, "person": 1}
    box = np.array(answer["clip"]["preparation"]["box_px"]) / [320, 240, 320, 240]
    for stream in ("rgb", "depth"):
        (view,) = reply[stream]["views"]
        assert view["person"] == 1
        assert len(view["cut"]) == len(view["seen"]) == len(view["outlines"]) == len(reply[stream]["frames"]) == 40
        assert np.abs(np.array(view["cut"]) - box).max() < 0.005
        cut, inner = np.array(view["cut"][0]).reshape(2, 2), np.array(view["seen"][0]).reshape(2, 2)
        assert ((inner - cut[0]) / (cut[1] - cut[0])).ravel() == pytest.approx([0.15, 1 / 30, 0.85, 29 / 30], abs=1e-3)
        for parts in view["outlines"]:
            points = np.concatenate(parts)
            assert (points >= cut[0] - 0.01).all() and (points <= cut[1] + 0.01).all()
    # The outline goes around the person as they were rendered.
    rows, columns = np.nonzero(seen(0.2)[0].mask)
    extent = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]]) / [320, 240]
    points = np.concatenate(reply["depth"]["views"][0]["outlines"][0])
    assert np.abs(np.stack([points.min(0), points.max(0)]) - extent).max() < 0.04


def test_each_of_several_people_has_a_view(server: RunningServer, tmp_path: Path) -> None:
    files = raw(tmp_path, -0.8, 0.7)
    reply = preview(server, files)
    assert (reply["preparation"]["num_people"], reply["preparation"]["person"]) == (2, 1)
    together, *each = reply["rgb"]["views"]
    assert [view["person"] for view in (together, *each)] == [None, 1, 2]
    answers = post(server, "/predict?people=each", **files).json()["people"]
    for view, answer in zip(each, answers, strict=True):
        assert np.abs(np.array(view["cut"][0]) - np.array(answer["box_px"]) / [320, 240, 320, 240]).max() < 0.001
    outlines = [np.concatenate(view["outlines"][0])[:, 0] for view in each]
    assert outlines[0].max() < outlines[1].min() or outlines[1].max() < outlines[0].min()


def test_nobody_and_what_came_prepared(server: RunningServer, tmp_path: Path) -> None:
    empty = preview(server, raw(tmp_path, *()))
    assert empty["preparation"]["num_people"] == 0 and empty["preparation"]["person"] is None
    (view,) = empty["depth"]["views"]
    assert view["cut"][0] == [0, 0, 1, 1] and view["outlines"] == []
    prepared = preview(server, {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}, {"prepared": True})
    assert prepared["preparation"] == {
        "was_prepared": True, "decided_by": "meta", "num_people": None, "person": None
    }  # fmt: skip
    (view,) = prepared["rgb"]["views"]
    assert view["cut"][0] == [0, 0, 1, 1] and view["seen"][0] == [0.15, 0.0333, 0.85, 0.9667]


def test_depth_alone_and_the_wrong_kind(server: RunningServer, tmp_path: Path) -> None:
    files = raw(tmp_path, 0.2)
    alone = preview(server, {"depth": files["depth"]})
    assert alone["rgb"] is None and alone["preparation"]["num_people"] == 1
    assert len(alone["depth"]["views"][0]["outlines"]) == 40
    assert preview(server, {"rgb": files["depth"]})["rgb"] is None  # one file stands for the streams that it has
    for meta, wrong in ({"prepared": True}, npz(rgb_frames())), ({}, files["rgb"]):
        assert "8-bit image" in refused(post(server, "/preview", meta, depth=wrong), 422, "unusable_clip")


def test_depth_that_only_helps_to_find_people_is_shown(tmp_path: Path) -> None:
    preparation = _PREPARATION.model_copy(update={"streams": ("rgb",)})
    files = raw(tmp_path / "raw", 0.2)
    with running_server(make_bundle(tmp_path / "bundle", "rgb", spec=_SPEC, preparation=preparation)) as server:
        alone, both = preview(server, {"depth": files["depth"]}), preview(server, files)
        assert alone["rgb"] is None and alone["preparation"]["num_people"] == both["preparation"]["num_people"] == 1
        assert both["depth"]["sampled"] == [] != both["rgb"]["sampled"]
        (view,) = both["depth"]["views"]
        assert len(view["cut"]) == 40 and view["cut"][0] != [0, 0, 1, 1] and view["outlines"] == []  # nothing is masked
        prepared = preview(server, files, {"prepared": True})  # in which nobody is looked for
        assert prepared["depth"] is None
        assert "8-bit image" in refused(post(server, "/preview", depth=npz(rgb_frames())), 422, "unusable_clip")
    with running_server(make_bundle(tmp_path / "unprepared", "rgb")) as server:  # takes prepared recordings alone
        refused(post(server, "/preview", depth=npz(depth_frames())), 400, "missing_stream")


@pytest.mark.parametrize(("mm", "range_mm"), [(65_535, (65_534, 65_535)), (1, (1, 2)), (0, (1, 2))])
def test_all_depth_at_one_distance_has_a_picture(server: RunningServer, mm: int, range_mm: tuple[int, int]) -> None:
    reply = preview(server, {"depth": npz(np.full((4, 240, 320), mm, np.uint16)), "rgb": npz(rgb_frames(4))})
    assert (reply["depth"]["near_mm"], reply["depth"]["far_mm"]) == range_mm
