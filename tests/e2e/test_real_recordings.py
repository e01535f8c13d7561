"""Real recordings through the real chain: train, export, serve, ask."""

import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.commands import run_module
from tests.support.processed import write_config
from tests.support.real import real_recordings
from tests.support.server import running_server

pytestmark = pytest.mark.slow

_CLIPS = ("subject11_r0", "subject11_r1")  # classes 0 and 1
_COPIES = 16  # of each clip in an epoch, each augmented in its own way


def zipped(frames: Iterable[Path]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for frame in sorted(frames):
            archive.write(frame, frame.name)
    return buffer.getvalue()


def write_gesture_config(path: Path, root: Path, **sections: object) -> Path:
    """Write the configuration of a small network on NvGesture's published 8-bit depth."""
    return write_config(
        path,
        root,
        path.with_suffix(""),
        data={"dataset": "nvgesture", "root": str(root), "num_workers": 0},
        clip={"num_frames": 8, "resize": [256, 256], "crop": 224, "size": 64, "depth": {"mode": "image"}},
        augment={"flip": 0.0, "rotated": 0.5, "angle_deg": [-5, 5]},
        schedule={"epochs": 12, "warmup_epochs": 1, "tau": [0.1, 0.1], "evaluate_every": 12},
        **sections,
    )


def test_two_gestures_are_learnt_exported_served_and_named(tmp_path: Path) -> None:
    sample = real_recordings("nvgesture_sample")
    root = tmp_path / "data"
    (root / "dataset_splits").mkdir(parents=True)
    for stream in ("rgb", "depth"):
        (root / stream).symlink_to(sample / stream)
    lines = [f"{clip}/ 80 {label}\n" for label, clip in enumerate(_CLIPS)]
    (root / "dataset_splits" / "train.txt").write_text("".join(lines * _COPIES))
    (root / "dataset_splits" / "valid.txt").write_text("".join(lines))
    (root / "class_names.txt").write_text("first gesture\nsecond gesture\n")

    streams = {"rgb": str(tmp_path / "rgb" / "last.pt"), "depth": str(tmp_path / "depth" / "last.pt")}
    for name, sections in (
        ("rgb", {"modality": "rgb"}),
        ("depth", {"modality": "depth"}),
        ("fusion", {"modality": "rgbd", "streams": streams}),
    ):
        result = run_module(
            "training.main", "--config", write_gesture_config(tmp_path / f"{name}.yml", root, **sections)
        )
        assert result.returncode == 0, result.stderr
        assert json.loads((tmp_path / name / "last.json").read_text())["top1"] == 1.0
    bundle = tmp_path / "bundle"
    words = ("--out", bundle, "--formats", "openvino")
    exported = run_module("export", "--checkpoint", tmp_path / "fusion" / "last.pt", *words)
    assert exported.returncode == 0, exported.stderr

    with running_server(bundle) as server:
        for clip, label in zip(_CLIPS, ("first gesture", "second gesture"), strict=True):
            files = {stream: zipped((sample / stream / clip).glob("*.jpg")) for stream in ("rgb", "depth")}
            answer = httpx.post(server.url + "/predict", files=files, timeout=60).json()
            assert answer["predictions"][0]["label"] == label
            assert answer["clip"]["rgb_frames"] == answer["clip"]["depth_frames"] == 80


def test_a_fall_gets_a_well_formed_answer(tmp_path: Path) -> None:
    fall = real_recordings("ur_fall")
    files = {
        "rgb": (fall / "fall-01-cam0_rgb.mp4").read_bytes(),
        "depth": zipped((fall / "depth").glob("*.png")),
    }
    meta = {"depth_scale_mm": 6000 / 65535}
    with running_server(make_bundle(tmp_path)) as server:
        answer = httpx.post(server.url + "/predict", files=files, data={"meta": json.dumps(meta)}, timeout=60).json()
        preview = httpx.post(server.url + "/preview", files=files, data={"meta": json.dumps(meta)}, timeout=60).json()
    assert sum(prediction["score"] for prediction in answer["predictions"]) == pytest.approx(1)
    assert answer["clip"]["rgb_frames"] == answer["clip"]["depth_frames"] == 40
    assert answer["clip"]["aligned_by"] == "index"
    left_out, as_recorded = answer["warnings"]
    assert left_out.startswith("120 rgb frames were left out: no times are known")
    assert as_recorded.startswith("depth does not look like the clips that this model was trained on")
    # A room: everything between arm's length and the sensor's end.
    assert 300 < preview["depth"]["near_mm"] < preview["depth"]["far_mm"] < 6001
