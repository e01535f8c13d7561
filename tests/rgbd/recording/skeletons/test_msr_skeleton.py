"""MSR-Action3D's skeletons: published joints lie where the data set itself says, and nonsense is refused in words."""

from pathlib import Path

import numpy as np
import pytest

from rgbd.errors import DatasetError
from rgbd.recording.skeletons.joint_layout import KINECT_V1
from rgbd.recording.skeletons.msr_skeleton import read_skeleton

# The first frame of a17_s02_e01_skeleton3D.txt: metres, and a confidence.
PLACES = """-0.236676 0.233941 2.559851 1.000000
0.140755 0.231013 2.525527 1.000000
-0.057760 0.311444 2.428190 0.000000
-0.043117 0.090954 2.608022 0.000000
-0.276509 -0.086022 2.491459 0.490385
0.150271 -0.094293 2.480520 0.673077
-0.059856 -0.094705 2.616734 0.000000
-0.331151 -0.013803 2.555231 1.000000
0.202664 -0.026702 2.516891 1.000000
-0.278349 -0.268211 2.440263 1.000000
0.146963 -0.299612 2.460798 1.000000
-0.274218 -0.333741 2.471669 0.375000
0.095225 -0.334295 2.423142 0.745192
-0.184975 -0.628966 2.547991 1.000000
0.021210 -0.631775 2.556726 1.000000
-0.157273 -1.064607 2.617374 1.000000
-0.013610 -1.063135 2.646611 1.000000
-0.166495 -1.093511 2.439569 0.000000
-0.017295 -1.099638 2.470007 0.000000
-0.044393 0.488684 2.403235 1.000000
"""
# The same frame in a17_s02_e01_skeleton.txt: column, row, and depth in the unit of the data set's depth.
PIXELS = """134 94 640 176 94 632 153 83 607 155 110 652 128 130 623 177 131 620 153 130 654 123 122 639 183 123 629
127 151 610 177 155 615 128 159 618 171 159 606 139 191 637 162 191 639 143 236 654 159 235 662 141 248 610
158 247 618 155 62 601"""
HEAD, HIPS, KNEES = 19, 6, {13, 14}
UNIT_MM = 4


def test_joints_lie_where_the_data_set_s_own_pixels_are(tmp_path: Path) -> None:
    path = tmp_path / "a17_s02_e01_skeleton3D.txt"
    path.write_text(PLACES * 3)
    skeleton = read_skeleton(path, (320, 240))
    assert len(skeleton) == 3
    (body,) = skeleton[0]
    assert body.layout is KINECT_V1
    pixels = np.array(PIXELS.split(), int).reshape(20, 3)
    nearest = np.linalg.norm(body.depth_xy[:, None] - pixels[None, :, :2], axis=2)
    found = nearest.argmin(axis=1)
    assert sorted(found) == list(range(20)) and nearest.min(axis=1).max() < 1
    np.testing.assert_allclose(body.joints_m[:, 2] * 1000 / UNIT_MM, pixels[found, 2], atol=1)
    assert (found[3], found[0], {found[13], found[17]}) == (HEAD, HIPS, KNEES)


def test_the_sides_of_the_body_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "a17_s02_e01_skeleton3D.txt"
    path.write_text(PLACES)
    ((body,),) = read_skeleton(path, (320, 240))
    for joints, sign in ((range(4, 8), 1), (range(8, 12), -1), (range(12, 16), 1), (range(16, 20), -1)):
        for joint in joints:
            assert sign * (body.joints_m[joint, 0] - body.joints_m[0, 0]) > 0
    lengths = [np.linalg.norm(body.joints_m[bone.start] - body.joints_m[bone.end]) for bone in KINECT_V1.bones]
    assert max(lengths) < 0.6  # no bone goes from one end of the body to the other


def test_frames_without_a_joint_that_has_a_place_have_no_body(tmp_path: Path) -> None:
    path = tmp_path / "a13_s09_e02_skeleton3D.txt"
    path.write_text("0.000000 0.000000 0.000000 0.000000\n" * 20 + PLACES)
    first, second = read_skeleton(path, (320, 240))
    assert (len(first), len(second)) == (0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 lines"),
        (PLACES + "1 2 3 4\n", "has 21 lines of 4 numbers; expected 20 lines a frame, each of 4 numbers"),
        ("0.1 0.2 2.5\n" * 20, "has 20 lines of 3 numbers"),
        (PLACES[:-20], "cannot be read as lines of numbers"),
        ("54\n20\n" + PLACES, "cannot be read as lines of numbers"),
        ("\N{DEGREE SIGN}" + PLACES, "cannot be read as lines of numbers"),
    ],
)
def test_other_text_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=f"s.txt: {message}.*copy the file again, or remove it"):
        read_skeleton(path, (320, 240))
