"""Raw recordings, and the clips that preprocessing and training's loader make of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.support.scenes import Seen, render_people, rendering_camera
from export.predictor.clip_reading import read_clip
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from export.predictor.decoded_clip import DecodedClip, PeopleChoice
from preprocess.synthetic.body import Arm, Floats, Pose, joints_in_room
from preprocess.synthetic.scene import SETUPS, render_background
from preprocess.synthetic.sensor import measure_depth
from rgbd.camera.sensors import nominal_camera
from rgbd.recording.limits import NO_LIMITS
from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame, Size, Stream, streams_of
from tests.support.custom_runs import run, write_csv
from training.config.schema import TrainingConfig
from training.data.dataset import ClipDataset, Draw, View, look_at_clips, preparation_of

SIZE: Size = (320, 240)


def waving(aside_m: float = 0.0) -> Callable[[float], Floats]:
    """Return somebody who stands so far aside, and raises and lowers an arm: joints [25, 3] at a time from 0 to 1."""

    def joints(time: float) -> Floats:
        raised = Arm((10, -60 + 120 * np.sin(np.pi * time)), (10, -40 + 100 * np.sin(np.pi * time)))
        return joints_in_room(Pose((aside_m, 3.6), 5, (Arm((5, -72), (10, -75)), raised)), 1.75)

    return joints


@cache
def seen(*aside_m: float, num_frames: int = 40) -> tuple[Seen, ...]:
    """Return people who wave, as a Kinect v1 sees them."""
    camera = rendering_camera(nominal_camera(SIZE), SIZE)
    people = [waving(aside) for aside in aside_m]
    return tuple(render_people(SETUPS[0], camera, lambda time: [joints(time) for joints in people], num_frames))


def empty_room(num_frames: int = 40) -> list[Seen]:
    """Return the same room without anybody."""
    camera = rendering_camera(nominal_camera(SIZE), SIZE)
    room, rng = render_background(SETUPS[0], camera, camera), np.random.default_rng(0)
    return [Seen(measure_depth(room.depth_m, rng), np.zeros(SIZE[::-1], np.bool_)) for _ in range(num_frames)]


def pictures(frames: Sequence[Seen]) -> list[Frame]:
    """Return colour frames of the same view: what is near is red, people have some blue."""
    return [
        np.stack([np.clip(255 - frame.depth_mm // 20, 0, 255), frame.mask * 90, frame.mask * 200], axis=2).astype(
            np.uint8
        )
        for frame in frames
    ]


def write_raw(folder: Path, frames: Sequence[Seen]) -> dict[Stream, Path]:
    """Write a video of colour and a folder of depth, as a camera's software does."""
    (folder / "depth").mkdir(parents=True)
    write_video(folder / "rgb.avi", pictures(frames))
    for number, frame in enumerate(frames):
        write_image(folder / "depth" / f"{number:04d}.png", frame.depth_mm)
    return {"rgb": folder / "rgb.avi", "depth": folder / "depth"}


def preprocessed(folder: Path, given: Mapping[str, Path], *options: str, **columns: object) -> Path:
    """Return the data set that `preprocess.custom` makes of a recording, for training and for evaluation."""
    folder.mkdir(exist_ok=True)
    files = {stream: str(path) for stream, path in given.items()}
    clips = (("first", 0, "train"), ("second", 1, "train"), ("valid", 1, "valid"))
    rows = [{"clip": clip, **files, "label": label, "split": split, **columns} for clip, label, split in clips]
    assert run(write_csv(folder / "list.csv", *rows), folder / "data", *options) == 0
    return folder / "data"


def config_of(data: Path, modality: str, **clip: object) -> TrainingConfig:
    """Return what trains on it."""
    return TrainingConfig.model_validate(
        {
            "modality": modality,
            "data": {"dataset": "custom", "root": str(data), "protocol": "", "num_workers": 0},
            "clip": {"num_frames": 8, **clip},
            "network": {"branch_frames": (2, 4, 6), "guidance_window": 3},
            "streams": {"rgb": "rgb.pt", "depth": "depth.pt"} if modality == "rgbd" else None,
        }
    )


def loaded(config: TrainingConfig) -> dict[Stream, NDArray[np.uint8]]:
    """Return the evaluation's clip by stream, as training's loader gives it."""
    clips, _, _ = ClipDataset(config, "valid")[Draw(0, View())]
    assert all(clip.dtype == torch.uint8 for clip in clips)
    return {stream: clip.numpy() for stream, clip in zip(config.modalities, clips, strict=True)}


def request_of(
    config: TrainingConfig,
    given: Mapping[Stream, Path],
    people: PeopleChoice | None = None,
    num_windows: int = 1,
    **meta: object,
) -> ClipRequest:
    """Return the request for a recording that a model of this data set answers to."""
    return ClipRequest(
        tuple(StreamFile(stream, path, path.name) for stream, path in given.items()),
        RecordingMeta(**meta),  # type: ignore[arg-type]
        NO_LIMITS,
        config.clip,
        streams_of(config.modality),
        num_windows=num_windows,
        trained_on=look_at_clips(config),
        preparation=preparation_of(config.data),
        people=people,
    )


def read_raw(config: TrainingConfig, given: Mapping[Stream, Path], **asked: object) -> DecodedClip:
    """Return the clips of a recording as an answer gets them."""
    return read_clip(request_of(config, given, **asked))  # type: ignore[arg-type]
