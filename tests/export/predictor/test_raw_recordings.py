"""What a camera wrote becomes the clip that training would have had of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.predictor.clip_reading import read_clip
from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.limits import Limits
from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video
from rgbd.types import Stream
from tests.support.raw_clips import config_of, empty_room, loaded, preprocessed, read_raw, request_of, seen, write_raw
from tests.support.real import real_recordings
from tests.support.videos import cut_before_its_frames
from training.config.schema import TrainingConfig

HALVES = (slice(0, 160), slice(160, 320))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw recording, and the data set that preprocessing makes of it by its defaults."""
    folder = tmp_path_factory.mktemp("recorded")
    preprocessed(folder, write_raw(folder, seen(0.2)))
    return folder


@pytest.fixture
def given(folder: Path) -> dict[Stream, Path]:
    return {"rgb": folder / "rgb.avi", "depth": folder / "depth"}


@pytest.fixture
def config(folder: Path) -> TrainingConfig:
    return config_of(folder / "data", "rgbd")


@pytest.mark.parametrize(
    ("modality", "options"),
    [("rgbd", ()), ("rgb", ()), ("depth", ()), ("rgbd", ("--roi", "tracked")), ("depth", ("--masks", "official"))],
)
def test_a_raw_recording_becomes_the_clip_that_training_has_of_it(
    tmp_path: Path, folder: Path, given: dict[Stream, Path], modality: str, options: tuple[str, ...]
) -> None:
    data = preprocessed(tmp_path, given, *options) if options else folder / "data"
    config = config_of(data, modality)
    clip = read_raw(config, given)
    assert not clip.facts.prepared.was_prepared and clip.facts.prepared.decided_by == "looks"
    ((found,),) = clip.subjects(config.modalities)
    for stream, frames in loaded(config).items():
        np.testing.assert_array_equal(found[stream], frames)


@pytest.mark.parametrize("stream", ["rgb", "depth"])
def test_of_one_stream_alone_as_well(tmp_path: Path, stream: Stream) -> None:
    given = {stream: write_raw(tmp_path, seen(0.2))[stream]}
    config = config_of(preprocessed(tmp_path, given, "--masks", "body" if stream == "depth" else "none"), stream)
    clip = read_raw(config, given, prepared=False)
    np.testing.assert_array_equal(clip.arrays[0], loaded(config)[stream])


def test_a_prepared_recording_is_known_by_its_frames(given: dict[Stream, Path], config: TrainingConfig) -> None:
    prepared = {stream: config.data.root / stream / "valid" for stream in config.modalities}
    clip = read_raw(config, prepared)
    assert clip.facts.prepared.was_prepared and clip.facts.prepared.decided_by == "looks"
    for frames, expected in zip(clip.arrays, loaded(config).values(), strict=True):
        np.testing.assert_array_equal(frames, expected)
    told = read_raw(config, given, prepared=True)  # it is believed
    assert told.facts.prepared.was_prepared and told.facts.prepared.decided_by == "meta"
    assert any("does not look like" in warning for warning in told.facts.warnings)


def test_what_was_done_is_told(tmp_path: Path) -> None:
    frames = seen(0.2)
    given = write_raw(tmp_path, frames)
    config = config_of(preprocessed(tmp_path, given), "rgbd")
    clip = read_raw(config, given)
    prepared, (subject,) = clip.facts.prepared, clip.facts.subjects
    assert prepared.frame_size == (320, 240) and prepared.num_people == 1
    assert (prepared.registration, prepared.masks, prepared.depth_camera) == ("stretch", "depth", "Kinect v1")
    assert subject.person == 1 and subject.box_px is not None
    x0, y0, x1, y1 = subject.box_px
    people = np.any([frame.mask for frame in frames], axis=0)
    assert people[y0:y1, x0:x1].sum() > 0.99 * people.sum() and (x1 - x0) * (y1 - y0) < 0.8 * people.size
    share = float(np.mean([frame.mask.mean() for frame in frames]))
    assert subject.mask_coverage == pytest.approx(share, rel=0.1)


def test_a_part_of_a_recording_is_prepared_by_who_is_in_it(given: dict[Stream, Path], config: TrainingConfig) -> None:
    whole = read_raw(config, given, fps=30, num_windows=2)
    assert [window.ranges["depth"] for window in whole.facts.windows] == [(0, 20), (20, 40)]
    part = read_raw(config, given, fps=30, start_s=1.2)
    assert part.facts.whole.num_frames == {"rgb": 4, "depth": 4}
    first, second = (clip.facts.subjects[0].box_px for clip in (whole, part))
    assert first is not None and second is not None and second[1] > first[1]  # the arm hangs at the end


def test_two_people_are_answered_about_as_asked(tmp_path: Path) -> None:
    frames = seen(-0.7, 0.7)
    given = write_raw(tmp_path, frames)
    config = config_of(preprocessed(tmp_path, given), "rgbd")
    together = read_raw(config, given, people="all")
    np.testing.assert_array_equal(together.arrays[0], loaded(config)["rgb"])
    assert together.facts.subjects[0].person is None
    each = read_raw(config, given, people="each")
    assert [subject.person for subject in each.facts.subjects] == [1, 2]
    coverage = sorted(subject.mask_coverage or 0 for subject in each.facts.subjects)
    halves = [np.mean([frame.mask[:, side].sum() / frame.mask.size for frame in frames]) for side in HALVES]
    assert coverage == pytest.approx(sorted(halves), rel=0.1)  # one stands on each side
    largest = read_raw(config, given)
    assert [subject.person for subject in largest.facts.subjects] == [1]
    np.testing.assert_array_equal(largest.arrays[0], each.arrays[0])
    assert any(warning.startswith("2 people were found") for warning in largest.facts.warnings)


def test_where_nobody_is_all_of_it_is_taken(tmp_path: Path, config: TrainingConfig) -> None:
    nobody = write_raw(tmp_path / "empty", empty_room())
    clip = read_raw(config, nobody)
    assert clip.facts.prepared.num_people == 0 and clip.facts.subjects[0].box_px == (0, 0, 320, 240)
    assert any("nobody was found" in warning for warning in clip.facts.warnings)
    assert clip.arrays[1].any()


def test_colour_alone_says_what_is_missing(tmp_path: Path) -> None:
    given = write_raw(tmp_path, seen(0.2))
    config = config_of(preprocessed(tmp_path, given), "rgb")
    clip = read_raw(config, {"rgb": given["rgb"]}, prepared=False)
    assert clip.facts.prepared.num_people is None
    assert any("nobody can be found in colour alone" in warning for warning in clip.facts.warnings)


def test_messages_call_files_as_they_were_given(
    folder: Path, given: dict[Stream, Path], config: TrainingConfig
) -> None:
    clip = read_raw(config, given, depth_scale_mm=4.0)
    assert not any(str(folder) in warning for warning in clip.facts.warnings)


def real(name: str) -> tuple[dict[Stream, Path], dict[str, object], tuple[str, ...], dict[str, object]]:
    """Return a real recording's files, what the manifest says of them, options, and what a request says."""
    if name == "utd_mhad":
        return {"depth": real_recordings(name) / "Depth" / "a1_s1_t1_depth.mat"}, {}, (), {}
    if name == "ur_fall":
        folder, unit = real_recordings(name), 6000 / 65535
        given: dict[Stream, Path] = {"rgb": folder / "fall-01-cam0_rgb.mp4", "depth": folder / "depth"}
        return given, {"depth_scale_mm": unit}, (), {"depth_scale_mm": unit}
    if name == "nvgesture_sample":
        clips: tuple[Stream, ...] = ("rgb", "depth")
        given = {stream: real_recordings(name) / stream / "subject11_r0" for stream in clips}
        return given, {}, ("--masks", "none", "--roi", "whole"), {"prepared": False}
    stream: Stream = "depth" if name == "realsense.bag" else "rgb"  # whose streams share no time
    return {stream: real_recordings("cameras") / name}, {}, ("--on-empty", "keep"), {"prepared": False}


@pytest.mark.parametrize("name", ["utd_mhad", "ur_fall", "nvgesture_sample", "realsense.bag", "azure_kinect.mkv"])
def test_real_recordings_become_the_clips_that_training_has_of_them(tmp_path: Path, name: str) -> None:
    given, columns, options, meta = real(name)
    named: dict[str, Path] = dict(given) if len(given) == 2 or "depth" in given else {"recording": given["rgb"]}
    data = preprocessed(tmp_path, named, *options, **columns)
    changed = {"depth": {"mode": "image"}} if name == "nvgesture_sample" else {}
    config = config_of(data, "depth" if tuple(given) == ("depth",) else "rgbd", **changed)
    clip = read_raw(config, given, **meta)
    assert not clip.facts.prepared.was_prepared
    ((found,),) = clip.subjects(config.modalities)
    for stream, frames in loaded(config).items():
        np.testing.assert_array_equal(found[stream], frames)


def test_what_lasts_too_long_is_not_prepared(given: dict[Stream, Path], config: TrainingConfig) -> None:
    request = replace(request_of(config, given, fps=30), limits=Limits(max_duration_s=1.0))
    with pytest.raises(TooLargeError, match="the service takes 1 s"):
        read_clip(request)


def test_what_cannot_be_prepared_is_refused_by_its_name(
    tmp_path: Path, given: dict[Stream, Path], config: TrainingConfig
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        write_image(images / f"{number}.jpg", np.full((240, 320, 3), 90, np.uint8))
    with pytest.raises(MediaError, match=r"^depth \(images\): holds 8-bit images, but this model needs distances"):
        read_raw(config, given | {"depth": images}, prepared=False)
    with pytest.raises(MediaError, match="frames of 5x4 pixels are too small to crop"):
        np.save(tmp_path / "tiny.npy", np.full((3, 4, 5), 2000, np.uint16))
        config = config_of(preprocessed(tmp_path / "published", given, "--roi", "legacy"), "depth")
        read_raw(config, {"depth": tmp_path / "tiny.npy"})


def test_a_video_that_was_cut_before_its_first_frame_is_refused(
    tmp_path: Path, given: dict[Stream, Path], config: TrainingConfig
) -> None:
    write_video(tmp_path / "cut.mkv", np.full((2, 240, 320), 2000, np.uint16))
    cut = cut_before_its_frames(tmp_path / "cut.mkv")
    with pytest.raises(MediaError, match=r"^depth \(cut\.mkv\): holds no frames; record it again"):
        read_raw(config, given | {"depth": cut})


def test_what_another_version_would_do_otherwise_is_said(given: dict[Stream, Path], config: TrainingConfig) -> None:
    request = request_of(config, given)
    assert request.preparation is not None
    assert not any("version" in warning for warning in read_clip(request).facts.warnings)
    earlier = replace(request, preparation=request.preparation.model_copy(update={"version": 3}))
    assert any("by version 3 of the code" in warning for warning in read_clip(earlier).facts.warnings)
