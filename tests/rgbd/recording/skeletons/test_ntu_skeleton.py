"""The .skeleton text survives a round trip, and broken text is refused with file, line and remedy."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rgbd.errors import DatasetError
from rgbd.recording.skeletons.ntu_skeleton import read_skeleton, write_skeleton
from rgbd.recording.skeletons.skeleton import Body
from tests.support.ntu_recordings import body_at

# As the sensor wrote them: a body line and joint lines of a real file, with the numbers it could not compute.
JOINT = "0.2181153 0.1725972 3.785547 277.419 191.8237 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"
LOST_JOINT = "0.36 0.17 3.7 NaN NaN -Infinity NaN 0 0 0 0 0"
BODY = "72057594037931101 0 1 1 1 1 0 0.02764709 0.05745083 2"


def text(num_joint_lines: int = 25, joint: str = JOINT, body: str = BODY, num_frames: int = 2) -> str:
    return "\n".join([str(num_frames), "0", "1", body, "25", *[joint] * (num_joint_lines - 1), LOST_JOINT, ""])


def test_reads_a_file_as_the_sensor_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.skeleton"
    path.write_text(text().replace("\n", "\r\n"))
    empty, (body,) = read_skeleton(path)
    assert empty == ()
    assert body.body_id == "72057594037931101"
    assert body.joints_m[0] == pytest.approx([0.2181153, 0.1725972, 3.785547])
    assert body.depth_xy[0] == pytest.approx([277.419, 191.8237])
    assert body.color_xy[0] == pytest.approx([1036.233, 519.1677])
    assert body.orientations[0] == pytest.approx([-0.2059419, 0.05349901, 0.9692109, -0.1239193])
    assert body.tracking_states.tolist() == [2] * 24 + [0]
    assert np.isnan(body.depth_xy[24]).all()


def test_round_trip_is_exact(tmp_path: Path) -> None:
    bodies = (body_at(0.1), body_at(1 / 3))
    bodies[0].color_xy[5] = np.nan
    write_skeleton(tmp_path / "clip.skeleton", [bodies, (), bodies[:1]])
    first, second, third = read_skeleton(tmp_path / "clip.skeleton")
    assert (len(first), len(second), len(third)) == (2, 0, 1)
    for written, read in zip(bodies, first, strict=True):
        assert read.body_id == written.body_id
        for name in ("joints_m", "depth_xy", "color_xy", "orientations", "tracking_states"):
            expected, array = getattr(written, name), getattr(read, name)
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("broken", "line", "what"),
    [
        ("", 1, "the number of frames"),
        ("two\n", 1, "'two'"),
        ("1\n-1\n", 2, "'-1'"),
        (text(24), 30, "the file ends"),
        (text(num_frames=3), 31, "the file ends"),
        (text(num_frames=1), 3, "goes on after"),
        (text(body="72057594037931101 0 1"), 4, "found 3 values"),
        (text().replace("\n25\n", "\n20\n"), 5, "found 20"),
        (text(joint=JOINT[:60]), 6, "a joint"),
        (text(joint=JOINT.replace("277.419", "277,419")), 6, "277,419"),
        (text(joint=JOINT[:-1] + "7"), 30, "tracking state"),
        ("\x00\x89PNG\udcff", 0, "cannot be read as text"),
    ],
)
def test_broken_text_is_refused_with_its_place(tmp_path: Path, broken: str, line: int, what: str) -> None:
    path = tmp_path / "clip.skeleton"
    path.write_bytes(broken.encode("utf-8", "surrogateescape"))
    with pytest.raises(DatasetError) as caught:
        read_skeleton(path)
    message = str(caught.value)
    assert str(path) in message and what in message and "copy the file again" in message
    assert not line or f"line {line}" in message


@given(st.text(alphabet="0123456789 -.eNaInf\n\r\t", max_size=400) | st.binary(max_size=200).map(repr))
def test_any_text_is_a_skeleton_or_refused(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.mktemp("any") / "clip.skeleton"
    path.write_text(content)
    try:
        skeleton = read_skeleton(path)
    except DatasetError as error:
        assert str(path) in str(error)
    else:
        assert len(skeleton) == int(content.split(maxsplit=1)[0])


@given(st.data())
def test_any_file_cut_short_is_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("cut") / "clip.skeleton"
    lines = text().rstrip().split("\n")
    path.write_text("\n".join(lines[: data.draw(st.integers(0, len(lines) - 1))]))
    with pytest.raises(DatasetError, match="the file ends"):
        read_skeleton(path)


NUMBERS = hnp.arrays(np.float32, (25, 11), elements=st.floats(width=32))


@given(st.lists(st.lists(NUMBERS, max_size=6), max_size=3))
def test_any_number_of_bodies_with_any_numbers_survives(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[np.ndarray]]
) -> None:
    states = np.arange(25) % 3
    written = [
        tuple(Body("1", joints[:, :3], joints[:, 3:5], joints[:, 5:7], joints[:, 7:], states) for joints in bodies)
        for bodies in frames
    ]
    path = tmp_path_factory.mktemp("round") / "clip.skeleton"
    write_skeleton(path, written)
    read = read_skeleton(path)
    assert [len(bodies) for bodies in read] == [len(bodies) for bodies in frames]
    for bodies, expected in zip(read, frames, strict=True):
        for body, joints in zip(bodies, expected, strict=True):
            np.testing.assert_array_equal(np.hstack([body.joints_m, body.depth_xy]), joints[:, :5])
            np.testing.assert_array_equal(np.hstack([body.color_xy, body.orientations]), joints[:, 5:])


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere"):
        read_skeleton(tmp_path / "nowhere.skeleton")
