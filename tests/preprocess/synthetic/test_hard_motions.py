"""The hard set: what one stream, or frames in any order, cannot tell apart, to the last bit."""

import json
from collections import defaultdict
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.ntu import dataset as ntu
from preprocess.synthetic.__main__ import main
from preprocess.synthetic.body import ARMS, joints_in_room
from preprocess.synthetic.ceilings import BLIND_TO, Traits, ceiling
from preprocess.synthetic.motion_sets import HARD, STANDARD
from preprocess.synthetic.motions import Motion, Take
from preprocess.synthetic.recording import Recording, RecordingJob, RenderedFrame, write_recording
from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import DatasetError

SEEDS = range(8)
SCALE = 0.08

# Right hands in the tenth frames of the standard motions, seed 3, before there were hard ones.
STANDARD_HANDS_M = (
    (-0.526, -0.08, 2.903),
    (-0.784, 0.205, 3.781),
    (-0.598, -0.226, 3.052),
    (-0.546, -0.201, 3.469),
    (-0.956, 0.612, 3.134),
    (-0.353, -0.206, 3.403),
    (-0.556, -0.229, 3.321),
    (-0.816, 0.574, 3.295),
    (-0.433, -0.47, 3.269),
    (0.19, -0.059, 3.234),
)


def draw(name: str, seed: int, num_frames: int = 33) -> Motion:
    action = HARD.class_names.index(name) + 1
    return HARD.draw(action, Take(1.1, 3.2, num_frames), np.random.default_rng(seed))


def poses(motion: Motion, num_frames: int) -> NDArray[np.float64]:
    """Return the joints of every frame, [N, 75]."""
    times = [number / (num_frames - 1) for number in range(num_frames)]
    return np.stack([joints_in_room(motion.poses_at(time)[0], 1.7).ravel() for time in times]).astype(float)


def groups(trait: str) -> list[list[str]]:
    """Return the motions that only this trait tells apart, of those that have it."""
    found = defaultdict(list)
    for name, traits in HARD.traits.items():
        if getattr(traits, trait):
            found[replace(traits, **{trait: ""})].append(name)
    return list(found.values())


def render(name: str) -> list[RenderedFrame]:
    """Return the frames of a motion; those of every motion are drawn with the same numbers."""
    recording = Recording(0, 4, SCALE, motions=HARD)
    recording.motion = draw(name, 7)
    return list(recording.frames())


def reaches_m(frame: RenderedFrame) -> list[float]:
    """Return how far each hand is before its shoulder."""
    depths = frame.bodies[0].joints_m[:, 2]
    return [float(depths[arm[0]] - depths[arm[3]]) for arm in ARMS]


def test_most_motions_take_depth_colour_and_the_order_of_frames() -> None:
    assert len(HARD.class_names) == len(set(HARD.class_names)) == 40
    for trait, sizes in (("depth", {2}), ("color", {2}), ("timing", {2, 3}), ("pairing", {2})):
        assert {len(group) for group in groups(trait)} == sizes
    whole = [name for name, traits in HARD.traits.items() if traits.depth and traits.color and traits.timing]
    assert len(whole) == 36
    assert len(set(HARD.traits.values())) == 40


def test_ceilings_are_those_of_the_docs() -> None:
    hard = {name: ceiling(HARD.traits.values(), blind) for name, blind in BLIND_TO.items()}
    assert hard == {"rgb": 0.525, "depth": 0.525, "late fusion": 0.975, "frames in any order": 0.5}
    standard = {name: ceiling(STANDARD.traits.values(), blind) for name, blind in BLIND_TO.items()}
    assert standard == {"rgb": 0.8, "depth": 0.8, "late fusion": 1.0, "frames in any order": 1.0}
    assert ceiling(HARD.traits.values(), [field.name for field in fields(Traits)]) == 1 / 40


@pytest.mark.parametrize("pair", groups("color")[::3] + groups("pairing"), ids=lambda pair: pair[0])
def test_depth_does_not_show_colours(pair: list[str]) -> None:
    for first, second in zip(*map(render, pair), strict=True):
        assert np.array_equal(first.depth_mm, second.depth_mm) and np.array_equal(first.mask, second.mask)
        assert np.array_equal(first.bodies[0].joints_m, second.bodies[0].joints_m)
        differs = np.abs(first.color.astype(int) - second.color).max(axis=2) > 60
        assert differs.sum() > 0.004 * np.ptp(first.bodies[0].color_xy[:, 1]) ** 2


@pytest.mark.parametrize("pair", groups("depth")[::3], ids=lambda pair: pair[0])
def test_colour_does_not_show_depth(pair: list[str]) -> None:
    reaches = []
    for front, behind in zip(*map(render, pair), strict=True):
        assert np.array_equal(front.color, behind.color)
        assert np.array_equal(front.bodies[0].color_xy, behind.bodies[0].color_xy)
        reaches.append((max(reaches_m(front)), min(reaches_m(behind))))
    in_front, far_behind = zip(*reaches, strict=True)
    assert max(in_front) > 0.25 and min(far_behind) < -0.25


@pytest.mark.parametrize("group", groups("timing"), ids=lambda group: group[0])
def test_frames_in_any_order_show_the_same_poses(group: list[str]) -> None:
    look = np.random.default_rng(1).normal(size=75)
    for seed in SEEDS:
        num_frames = 28 + 2 * seed
        performances = [poses(draw(name, seed, num_frames), num_frames) @ look for name in group]
        for other in performances[1:]:
            assert np.allclose(np.sort(performances[0]), np.sort(other), atol=1e-4)
            assert np.abs(performances[0] - other).max() > 0.2


@pytest.mark.parametrize("group", [group for group in groups("timing") if len(group) == 2], ids=lambda group: group[0])
def test_two_directions_are_each_other_s_reverse(group: list[str]) -> None:
    for seed in SEEDS:
        forwards, backwards = (poses(draw(name, seed), 33) for name in group)
        rests = [np.abs(frames - frames[0]).max(axis=1) < 1e-6 for frames in (forwards, backwards)]
        first, second = (frames[~is_rest] for frames, is_rest in zip((forwards, backwards), rests, strict=True))
        assert np.allclose(first, second[::-1], atol=1e-5)


def test_tempo_varies_less_than_motions_differ() -> None:
    shares = []
    for seed in range(60):
        frames = poses(draw("swing the red ball behind quickly, and slowly back", seed, 40), 40)
        moving = np.nonzero(np.abs(np.diff(frames, axis=0)).max(axis=1) > 1e-6)[0]
        shares.append((moving[-1] - moving[0] + 1) / 39)
        furthest = np.abs(frames - frames[0]).max(axis=1).argmax() - moving[0]
        assert furthest < 0.35 * (moving[-1] - moving[0])
    # A time of twice takes half of a performance, of three times a third: neither range meets the next.
    assert 0.68 < min(shares) < max(shares) <= 1
    assert max(shares) / 2 < min(shares) and max(shares) / 3 < min(shares) / 2


def test_the_glove_in_front_is_on_either_hand() -> None:
    orange, blue = groups("pairing")[0]
    for name, other in ((orange, blue), (blue, orange)):
        sides = {draw(name, seed).arms_behind for seed in SEEDS}
        assert sides == {(0,), (1,)}
        assert draw(name, 3).arms_behind == draw(other, 3).arms_behind
        assert [prop.color for prop in draw(name, 3).props] == [prop.color for prop in draw(other, 3).props][::-1]


def test_standard_motions_are_those_of_before() -> None:
    hands_m = []
    for index in range(10):
        (frame,) = islice(Recording(index, 3, SCALE).frames(), 9, 10)
        hands_m.append(frame.bodies[0].joints_m[11])
    assert np.allclose(hands_m, STANDARD_HANDS_M, atol=0.002)


def test_ntu_preprocessing_takes_hard_recordings(tmp_path: Path) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    assert main(["--motions", "hard", "--out", str(raw), "--clips", "5", "--scale", "0.2", "--jobs", "1"]) == 0
    assert read_class_names(raw) == HARD.class_names
    assert ntu.main(["--raw", str(raw), "--out", str(data), "--jobs", "1"]) == 0
    entries = read_split(NTU.split_file(data, "train", "CS"), NTU)
    assert [entry.label for entry in entries] == list(range(5))
    records = [json.loads(line) for line in (data / "records.jsonl").read_text().splitlines()]
    assert all(record["warnings"] == [] for record in records)
    with pytest.raises(DatasetError, match="holds recordings of other motions; name another folder, or the same"):
        main(["--out", str(raw), "--clips", "1"])


def prepared(folder: Path, name: str) -> dict[str, bytes]:
    """Return the whole frames that preprocessing makes of the same recording of a motion, by their paths."""
    only = replace(HARD, draw=lambda _, take, __: draw(name, 7, take.num_frames))
    write_recording(RecordingJob(folder / "raw", 0, 4, 0.2, only))
    options = ["--roi", "whole", "--jobs", "1"]
    assert ntu.main(["--raw", str(folder / "raw"), "--out", str(folder / "data"), *options]) == 0
    paths = (path for path in (folder / "data").rglob("*") if path.suffix in (".jpg", ".png"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_preprocessing_adds_nothing_that_tells_more(tmp_path: Path) -> None:
    names = ("swing the red ball {} quickly, and slowly back", "swing the green ball {} quickly, and slowly back")
    red, green, behind = names[0].format("in front"), names[1].format("in front"), names[0].format("behind")
    frames = {name: prepared(tmp_path / str(number), name) for number, name in enumerate((red, green, behind))}
    same_as_red = {
        name: {path for path in frames[red] if frames[red][path] == frames[name][path]} for name in (green, behind)
    }
    assert {Path(path).suffix for path in same_as_red[green]} == {".png"}
    assert {Path(path).suffix for path in same_as_red[behind]} == {".jpg"}
    assert sum(map(len, same_as_red.values())) > 0.95 * len(frames[red])


def test_unknown_motions_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "raw"), "--motions", "harder"])
    assert "invalid choice: 'harder' (choose from 'standard', 'hard')" in capsys.readouterr().err
    assert not (tmp_path / "raw").exists()
