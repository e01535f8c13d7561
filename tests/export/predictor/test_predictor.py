"""Answers in process: those of POST /predict, to the last digit, and mistakes that are named."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from benchmarks.support.tiny_bundle import LABELS, SPEC, image_spec, make_bundle
from export import load_model
from export.bundle.folder import read_bundle, write_manifest
from export.bundle.manifest import BundleError
from export.commands.pack import pack_bundle
from export.predictor.clip_request import RecordingMeta
from export.predictor.model import Model
from export.predictor.predictor import Predictor
from export.predictor.results import Prediction
from export.runtimes import Inputs, Outputs, RuntimeInfo
from export.runtimes.loading import load_runtime
from rgbd.clip.appearance import Appearance
from rgbd.clip.build import build_clip
from rgbd.clip.rejection import familiarity
from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import centred_geometry
from rgbd.errors import MediaError, MissingStreamError, UserError
from rgbd.recording.stills.images import write_image
from rgbd.types import Frame
from serve.schemas import ClipMeta
from tests.support.server import RunningServer, running_server
from tests.support.uploads import at_rate, depth_frames, npz, rgb_frames, timed_video, video, zipped

ROOT = Path(__file__).parents[3]
ALONE = {"rgb": 0.75}
FAMILIAR = (0.0, 32.0)  # two streams of 0 to 255, over 16


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of both streams, of one, of depth as images, and one whose outputs have names of their own."""
    folder = tmp_path_factory.mktemp("models")
    make_bundle(folder / "both" / "1", alone=ALONE)
    make_bundle(folder / "rgb" / "1", "rgb")
    make_bundle(folder / "depth" / "1", "depth")
    make_bundle(folder / "images" / "1", spec=image_spec())
    make_bundle(folder / "named" / "1", alone=ALONE, answer="verdict")
    make_bundle(folder / "half-known" / "1", alone=ALONE, familiar=FAMILIAR)
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[RunningServer]:
    with running_server(models=models) as running:
        yield running


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clip in files of several kinds, by whose names the tests ask for it."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, frames in (("rgb", rgb_frames()), ("depth", depth_frames()), ("short", depth_frames(3))):
        (folder / f"{name}.npz").write_bytes(npz(frames))
        (folder / f"{name}.zip").write_bytes(zipped(folder, frames))
        video(folder, frames, ".mkv")
        (folder / "clip.mkv").rename(folder / f"{name}.mkv")
    timed_video(folder / "tracks.mkv", at_rate(rgb_frames(), 30), at_rate(depth_frames(9), 30, start_s=0.1))
    return folder


def asked(server: RunningServer, model: str, files: dict[str, Path], meta: dict[str, float], **query: Any) -> Any:
    """Return what POST /predict answers, without what only a service has."""
    response = httpx.post(
        f"{server.url}/predict",
        params={"model": model, **query},
        files={stream: (path.name, path.read_bytes()) for stream, path in files.items()},
        data={"meta": str(meta).replace("'", '"')},
        timeout=60,
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    for own in ("request_id", "model", "timing_ms"):
        del answer[own]
    return answer


def as_reply(prediction: Prediction) -> Any:
    """Return a prediction as JSON has it."""
    plain = asdict(prediction)
    plain["streams"] = {"rgb": (), "depth": ()} | plain["streams"]
    return untupled(plain)


def untupled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untupled(part) for key, part in value.items()}
    return [untupled(part) for part in value] if isinstance(value, tuple) else value


@pytest.mark.parametrize(
    ("model", "files", "meta", "query"),
    [
        ("both", {"rgb": "rgb.mkv", "depth": "depth.mkv"}, {}, {}),
        ("both", {"rgb": "rgb.npz", "depth": "depth.zip"}, {"fps": 30}, {"windows": 3, "top_k": 2}),
        ("both", {"rgb": "rgb.npz", "depth": "short.npz"}, {}, {"windows": 2}),
        ("both", {"rgb": "rgb.zip", "depth": "short.npz"}, {"fps": 20, "depth_fps": 5, "depth_scale_mm": 1.5}, {}),
        ("both", {"rgb": "rgb.mkv"}, {}, {"windows": 2}),
        ("both", {"rgb": "tracks.mkv"}, {}, {"top_k": 1}),
        ("rgb", {"rgb": "rgb.mkv"}, {"start_s": 0.1, "end_s": 0.3}, {"windows": 4}),
        ("rgb", {"rgb": "tracks.mkv", "depth": "depth.npz"}, {}, {}),
        ("depth", {"depth": "depth.zip"}, {"depth_scale_mm": 0.5}, {}),
        ("depth", {"rgb": "tracks.mkv"}, {}, {"windows": 2}),
        ("images", {"rgb": "rgb.zip", "depth": "rgb.npz"}, {}, {}),
        ("named", {"rgb": "rgb.zip", "depth": "depth.zip"}, {}, {"windows": 2}),
        ("named", {"rgb": "rgb.npz"}, {}, {}),
        ("half-known", {"rgb": "rgb.mkv", "depth": "depth.mkv"}, {}, {"windows": 2}),
        ("half-known", {"rgb": "rgb.mkv", "depth": "depth.mkv"}, {}, {"accepted": 0.5}),
        ("half-known", {"rgb": "rgb.npz"}, {}, {"accepted": 0.99}),
    ],
)
def test_the_answer_is_that_of_the_service(
    server: RunningServer,
    models: Path,
    recordings: Path,
    model: str,
    files: dict[str, str],
    meta: dict[str, float],
    query: dict[str, Any],
) -> None:
    paths = {stream: recordings / name for stream, name in files.items()}
    prediction = load_model(models / model / "1").predict(**paths, **meta, **query)
    assert as_reply(prediction) == asked(server, model, paths, meta, **query)
    assert len(prediction.predictions) == query.get("top_k", len(LABELS))
    assert len(prediction.windows) == query.get("windows", 0)


def test_what_looks_less_familiar_than_known_clips_is_unknown(models: Path, recordings: Path, tmp_path: Path) -> None:
    files = recordings / "rgb.npz", recordings / "depth.npz"
    plain = load_model(models / "both" / "1").predict(*files)
    assert (plain.known, plain.confidence) == (None, None)
    best = best_familiarity(rgb_frames(), depth_frames())
    for below, confidence, known in ((1, 0.01, False), (5.1, 0.051, True), (50, 0.5, True), (-1, 0.0, False)):
        bundle = make_bundle(tmp_path / f"{below}", familiar=(best - below, best - below + 100))
        found = load_model(bundle).predict(*files)
        assert found.confidence == pytest.approx(confidence, abs=1e-3)
        assert found.known is known
        assert found.predictions == plain.predictions


def test_how_many_known_clips_are_to_be_taken_for_known_can_be_said(recordings: Path, tmp_path: Path) -> None:
    files, best = (recordings / "rgb.npz", recordings / "depth.npz"), best_familiarity(rgb_frames(), depth_frames())
    model = load_model(make_bundle(tmp_path, familiar=(best - 30, best + 70)))  # 0.3 of them look less familiar
    assert [model.predict(*files, accepted=share).known for share in (0.5, 0.69, 0.71, 0.99)] == [
        False,
        False,
        True,
        True,
    ]
    for wrong in (0.4, 1, 0, -1, math.nan, "0.9", True, None):
        with pytest.raises(UserError, match=r"^accepted .*: give a share from 0\.5 to 0\.99"):
            model.predict(*files, accepted=wrong)  # type: ignore[arg-type]


def test_windows_are_known_each_by_itself_and_a_stream_alone_by_its_head(recordings: Path, tmp_path: Path) -> None:
    files = recordings / "rgb.npz", recordings / "depth.npz"
    half = len(rgb_frames()) // 2
    halves = [best_familiarity(rgb_frames()[part], depth_frames()[part]) for part in (slice(half), slice(half, None))]
    assert halves[0] != pytest.approx(halves[1])
    model = load_model(make_bundle(tmp_path / "1", alone=ALONE, familiar=(0, 100)))
    found = model.predict(*files, windows=2)
    assert [window.confidence for window in found.windows] == pytest.approx([half / 100 for half in halves], abs=1e-3)
    assert found.confidence == pytest.approx(sum(halves) / 200, abs=1e-3)
    alone = model.predict(files[0])
    assert alone.confidence is not None and found.confidence is not None and alone.confidence < found.confidence


def test_where_nothing_of_interest_happens_nothing_is_known(recordings: Path, tmp_path: Path) -> None:
    files = recordings / "rgb.npz", recordings / "depth.npz"
    bundle = make_bundle(tmp_path, familiar=(0, 1))
    best = load_model(bundle).predict(*files)
    assert best.known is True
    manifest = read_bundle(bundle).manifest
    labels = tuple("background" if index == best.predictions[0].index else name for index, name in enumerate(LABELS))
    write_manifest(bundle, manifest.model_copy(update={"labels": labels}))
    found = load_model(bundle).predict(*files)
    assert (found.predictions[0].label, found.known, found.confidence) == ("background", False, 1.0)


def best_familiarity(rgb: list[Frame], depth: list[Frame]) -> float:
    """Return the familiarity by the tiny model's scores: the mean of each colour of both clips, over 16."""
    means = np.zeros(3)
    for stream, frames in (("rgb", rgb), ("depth", depth)):
        sampled = [frames[index] for index in bin_centres(len(frames), SPEC.num_frames)]
        means += build_clip(sampled, stream, SPEC, centred_geometry(SPEC)).mean((0, 1, 2)) / 16
    return float(familiarity(means.astype(np.float32)))


def test_what_is_said_of_a_recording_has_the_same_names_on_the_wire() -> None:
    assert {field.name: field.default for field in fields(RecordingMeta)} == {
        name: field.default for name, field in ClipMeta.model_fields.items()
    }


def test_of_one_stream_alone_the_answer_says_so(models: Path, recordings: Path) -> None:
    for name in ("both", "named"):
        model = load_model(str(models / name / "1"))
        alone, both = (
            model.predict(rgb=recordings / "rgb.npz", depth=depth) for depth in (None, recordings / "depth.npz")
        )
        assert alone.predictions == alone.streams["rgb"] == both.streams["rgb"] != both.predictions
        assert "depth" not in alone.streams and both.warnings == ()
        assert "depth is missing" in alone.warnings[0] and "75.0%" in alone.warnings[0]


def test_warnings_count_one_frame(models: Path, tmp_path: Path) -> None:
    for name, frames in (("rgb", rgb_frames(2)), ("depth", depth_frames(1))):
        (tmp_path / f"{name}.npz").write_bytes(npz(frames))
    warnings = load_model(models / "both" / "1").predict(tmp_path / "rgb.npz", tmp_path / "depth.npz").warnings
    assert "depth has 1 frame, fewer than the 4 that the model looks at; some were repeated" in warnings
    assert any(warning.startswith("1 rgb frame was left out: no times are known") for warning in warnings)


def test_a_warning_is_whole_sentences(tmp_path: Path) -> None:
    (tmp_path / "rgb.npz").write_bytes(npz(rgb_frames()))
    (tmp_path / "depth.npz").write_bytes(npz(depth_frames()))
    files = tmp_path / "rgb.npz", tmp_path / "depth.npz"
    seen = {"depth": Appearance(aspect_ratio=(1.3, 1.4), height_px=(40, 500), empty_share=(0.0, 0.1))}
    model = load_model(make_bundle(tmp_path / "bundle", trained_on=seen))
    (warning,) = (said for said in model.predict(*files, depth_scale_mm=1e-9).warnings if "empty" in said)
    assert "% of it is empty, instead of 0 to 10 %), or depth_scale_mm is wrong. The answer may well" in warning


def test_a_folder_of_frames_answers_as_its_zip_does(models: Path, recordings: Path, tmp_path: Path) -> None:
    folders: dict[str, list[Frame]] = {"rgb": rgb_frames(), "depth": depth_frames()}
    for stream, frames in folders.items():
        (tmp_path / stream).mkdir()
        for index, frame in enumerate(frames):
            write_image(tmp_path / stream / f"{index}.png", frame)
    model = load_model(models / "both" / "1")
    from_folders = model.predict(str(tmp_path / "rgb"), str(tmp_path / "depth"))
    assert from_folders == model.predict(recordings / "rgb.zip", recordings / "depth.zip")


def test_a_packed_bundle_answers_when_its_files_are_gone(models: Path, recordings: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed.zip"
    pack_bundle(read_bundle(models / "both" / "1"), packed)
    model = load_model(packed, artifact="onnxruntime-fp32")
    packed.unlink()
    files = recordings / "rgb.npz", recordings / "depth.npz"
    assert model.predict(*files) == load_model(models / "both" / "1").predict(*files)
    assert (model.labels, model.streams) == (LABELS, ("rgb", "depth"))
    assert (model.runtime.name, model.runtime.device, model.runtime.precision) == ("onnxruntime", "cpu", "fp32")


@pytest.mark.parametrize(
    ("given", "kind", "reason"),
    [
        ({}, MissingStreamError, "no recording was given; this model needs rgb and depth"),
        ({"depth": "depth.npz"}, MissingStreamError, "needs rgb and depth; give rgb, too"),
        (
            {"rgb": "nowhere.mp4"},
            MediaError,
            r"^rgb \(.*nowhere\.mp4\): cannot be read \(No such file.*; check the path",
        ),
        ({"rgb": "rgb.npz", "depth": "rgb.npz"}, MediaError, r"^depth \(.*rgb\.npz\): .*8-bit"),
        ({"rgb": "depth.npz", "depth": "depth.npz"}, MediaError, r"^rgb \(.*depth\.npz\)"),
        ({"rgb": "rgb.npz", "start_s": 1.0}, MediaError, "frame rate is not known.*give fps, too"),
        ({"rgb": "rgb.npz", "fps": 0}, UserError, "fps 0: is no number above 0"),
        ({"rgb": "rgb.npz", "depth_scale_mm": math.nan}, UserError, "depth_scale_mm nan: is no number above 0"),
        ({"rgb": "rgb.npz", "start_s": -1}, UserError, "start_s -1: "),
        ({"rgb": "rgb.npz", "start_s": 2.0, "end_s": 1.0}, UserError, r"end_s 1\.0: must lie behind start_s 2\.0"),
        ({"rgb": "rgb.npz", "windows": 0}, UserError, "windows 0: must be 1 or more"),
        ({"rgb": "rgb.npz", "top_k": -1}, UserError, "top_k -1: must be 1 or more"),
        ({"rgb": "rgb.npz", "windows": 10, "depth": "short.npz"}, MediaError, "windows 10: .* has 3 frames; give 3 or"),
        (
            {"rgb": "rgb.npz", "windows": 10**60},
            MediaError,
            r"windows \(a number of more than 30 digits\): the clip has ",
        ),
        ({"rgb": "rgb.npz", "fps": 5e-324}, UserError, "fps 5e-324: no camera takes"),
        (
            {"rgb": "rgb.npz", "fps": 10**5000},
            UserError,
            r"fps \(a number of more than 30 digits\): is no number above 0",
        ),
        ({"rgb": "rgb.npz", "start_s": 10**400}, UserError, r"start_s \(a number of more than 30"),
        ({"rgb": "rgb.npz", "end_s": math.inf}, UserError, "end_s inf: must lie behind"),
    ],
)
def test_a_mistake_is_named_with_the_remedy(
    models: Path, recordings: Path, given: dict[str, Any], kind: type[UserError], reason: str
) -> None:
    given = {name: recordings / value if isinstance(value, str) else value for name, value in given.items()}
    with pytest.raises(kind, match=reason):
        load_model(models / "both" / "1").predict(**given)


NO_NUMBERS = ["2", math.nan, True, [2], b"2"]
NO_COUNTS = [*NO_NUMBERS, 2.5, np.float64(2), None]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("windows", NO_COUNTS),
        ("top_k", NO_COUNTS),
        ("depth_scale_mm", NO_NUMBERS),
        ("fps", NO_NUMBERS),
        ("depth_fps", NO_NUMBERS),
        ("start_s", [*NO_NUMBERS, None]),
        ("end_s", NO_NUMBERS),
    ],
)
def test_of_what_is_no_number_nothing_is_computed(models: Path, name: str, values: list[Any]) -> None:
    model = load_model(models / "rgb" / "1")
    for value in values:
        with pytest.raises(
            UserError, match=rf"^{name} .*(is no .*number|must lie behind).*(give|left out|leave it out)"
        ):
            model.predict("nowhere.npz", **{name: value})


def test_numbers_of_numpy_are_numbers(models: Path, recordings: Path) -> None:
    model, rgb = load_model(models / "rgb" / "1"), recordings / "rgb.npz"
    given = {"windows": np.int64(2), "top_k": np.uint8(1), "fps": np.float32(30), "start_s": np.int16(0)}
    assert model.predict(rgb, **given) == model.predict(rgb, windows=2, top_k=1, fps=30.0)


@pytest.mark.parametrize("value", [["rgb.npz"], b"rgb.npz", 3, "", "a\0b", "a" * 5000, "\ud800"])
def test_what_is_no_path_is_named(models: Path, recordings: Path, value: Any) -> None:
    model = load_model(models / "both" / "1")
    for stream in ("rgb", "depth"):
        with pytest.raises(UserError, match=rf"(?s)^{stream}.*(give a folder|check the path)"):
            model.predict(**{"rgb": recordings / "rgb.npz", stream: value})
    with pytest.raises(UserError, match=r"(?s)give (the|a) folder"):
        load_model(value)


class OneAtATime:
    """A runtime that refuses a second clip while it computes one, as OpenVINO does."""

    info = RuntimeInfo("one at a time", "cpu", "fp32")

    def __init__(self, folder: Path) -> None:
        self._runtime, self._is_busy = load_runtime(read_bundle(folder)), False

    def infer(self, inputs: Inputs) -> Outputs:
        if self._is_busy:
            raise RuntimeError("Infer Request is busy")
        self._is_busy = True
        time.sleep(0.02)
        outputs = self._runtime.infer(inputs)
        self._is_busy = False
        return outputs


def test_several_threads_may_ask_one_model(models: Path, recordings: Path) -> None:
    folder = models / "both" / "1"
    model = Predictor(Model(read_bundle(folder), OneAtATime(folder)))
    files = recordings / "rgb.npz", recordings / "depth.npz"
    expected = model.predict(*files, windows=2)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: model.predict(*files, windows=2), range(8)))
    assert answers == [expected] * 8


def test_a_bundle_that_cannot_be_loaded_is_refused(models: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"bundle None: is no path; give the folder or the .zip"):
        load_model(None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="device None: is no name; give one of cpu, cuda, tensorrt"):
        load_model(models / "rgb" / "1", device=None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="artifact 3: is no name"):
        load_model(models / "rgb" / "1", artifact=3)  # type: ignore[arg-type]
    with pytest.raises(BundleError, match=r"bundle.json: is a file, and no .zip; give its folder, .*/rgb/1$"):
        load_model(models / "rgb" / "1" / "bundle.json")
    with pytest.raises(BundleError, match=r"model.onnx: is a file, and no .zip; give the bundle's folder, or its .zip"):
        load_model(models / "rgb" / "1" / "model.onnx")
    with pytest.raises(BundleError, match=r"no\.zip: cannot be read \(No such file or directory\); give"):
        load_model(tmp_path / "no.zip")
    with pytest.raises(BundleError, match="give a folder that `python -m export` wrote"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="holds no artifact 'tensorrt-fp16', only: onnxruntime-fp32"):
        load_model(models / "rgb" / "1", artifact="tensorrt-fp16")
    with pytest.raises(UserError, match="nothing in it runs on 'tpu'"):
        load_model(models / "rgb" / "1", device="tpu")


SCRIPT = """
import sys
import export
assert not {"numpy", "cv2", "onnxruntime"} & set(sys.modules), "import export is quick"
print(export.load_model(sys.argv[1]).predict(rgb=sys.argv[2]).predictions[0].label)
assert not {"torch", "training", "serve", "fastapi", "httpx"} & set(sys.modules)
assert not __import__("multiprocessing").active_children()
"""


def test_a_script_needs_neither_torch_nor_a_server(models: Path, recordings: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(models / "rgb" / "1"), str(recordings / "rgb.mkv")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "red\n", "")


def test_export_has_no_other_names() -> None:
    import export  # noqa: PLC0415

    with pytest.raises(AttributeError, match="no attribute 'load_models'"):
        export.load_models  # noqa: B018


def test_scores_are_probabilities(models: Path, recordings: Path) -> None:
    prediction = load_model(models / "both" / "1").predict(recordings / "rgb.npz", recordings / "depth.npz", windows=2)
    rankings = [prediction.predictions, *prediction.streams.values(), *(w.predictions for w in prediction.windows)]
    assert len(rankings) == 5
    for ranking in rankings:
        scores = [score.score for score in ranking]
        assert np.sum(scores) == pytest.approx(1) and scores == sorted(scores, reverse=True)
        assert [LABELS[score.index] for score in ranking] == [score.label for score in ranking]
