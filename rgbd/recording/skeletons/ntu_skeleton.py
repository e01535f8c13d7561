"""NTU RGB+D's .skeleton text <-> typed arrays.

Source: docs/method.md, "NTU RGB+D".
"""

from pathlib import Path

import numpy as np

from rgbd.errors import DatasetError, reason_of
from rgbd.files import atomic_file
from rgbd.recording.skeletons.joint_layout import KINECT_V2
from rgbd.recording.skeletons.skeleton import Body, Skeleton

_NUM_JOINTS = KINECT_V2.num_joints
_JOINT_FIELDS = 12
_BODY_FIELDS = 10
_MAX_DIGITS = 9  # of a count; a file with more of anything cannot be
_REMEDY = "copy the file again, or remove it to have the clip processed without its skeleton"


class _Reader:
    """Hands out the lines of one file and knows where it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path}: cannot be read as text ({reason_of(error)}); {_REMEDY}") from error
        self.line_number = 0

    def error(self, what: str) -> DatasetError:
        return DatasetError(f"{self.path}, line {self.line_number}: {what}; {_REMEDY}")

    def fields(self, num_fields: int, meaning: str) -> list[str]:
        """Return the words of the next line."""
        self.line_number += 1
        if self.line_number > len(self.lines):
            raise self.error(f"the file ends where {meaning} was expected")
        fields = self.lines[self.line_number - 1].split()
        if len(fields) != num_fields:
            raise self.error(f"expected {meaning} ({num_fields} values), found {len(fields)} values")
        return fields

    def count(self, meaning: str) -> int:
        word = self.fields(1, meaning)[0]
        if not word.isdecimal() or len(word) > _MAX_DIGITS:
            raise self.error(f"expected {meaning}, found {word!r}")
        return int(word)

    def numbers(self, num_fields: int, meaning: str) -> list[float]:
        words = self.fields(num_fields, meaning)
        try:
            return [float(word) for word in words]
        except ValueError as error:
            raise self.error(f"expected {meaning}, {error}") from error


def read_skeleton(path: Path) -> Skeleton:
    """Return the bodies of every frame of a .skeleton file.

    Raises `DatasetError`, naming file, line and remedy, when the text is truncated or malformed.
    """
    reader = _Reader(path)
    frames: Skeleton = []
    for _ in range(reader.count("the number of frames")):
        num_bodies = reader.count("the number of bodies")
        frames.append(tuple(_read_body(reader) for _ in range(num_bodies)))
    if any(line.strip() for line in reader.lines[reader.line_number :]):
        reader.line_number += 1
        raise reader.error(f"text goes on after the {len(frames)} frames that line 1 announces")
    return frames


def _read_body(reader: _Reader) -> Body:
    body_id = reader.fields(_BODY_FIELDS, "a body's id and hand states")[0]
    num_joints = reader.count("the number of joints")
    if num_joints != _NUM_JOINTS:
        raise reader.error(f"expected {_NUM_JOINTS} joints, found {num_joints}")
    rows = [reader.numbers(_JOINT_FIELDS, "a joint") for _ in range(_NUM_JOINTS)]
    table = np.array(rows, np.float32)
    states = table[:, 11]
    if not np.isin(states, (0, 1, 2)).all():
        raise reader.error("the joints' last value, the tracking state, must be 0, 1 or 2")
    return Body(
        body_id,
        table[:, 0:3],
        table[:, 3:5],
        table[:, 5:7],
        orientations=table[:, 7:11],
        tracking_states=states.astype(int),
    )


def write_skeleton(path: Path, frames: Skeleton) -> None:
    """Write `frames` as .skeleton text, atomically.

    The body line's hand states, lean and clipped edges, which nothing here reads, are written as neutral values.
    """
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for body in bodies:
            lines += [f"{body.body_id} 0 0 0 0 0 0 0 0 2", str(_NUM_JOINTS)]
            places = np.hstack([body.joints_m, body.depth_xy, body.color_xy, body.orientations])
            # 9 significant digits bring every float32 back exactly.
            for place, state in zip(places, body.tracking_states, strict=True):
                lines.append(" ".join(f"{value:.9g}" for value in place) + f" {state}")
    with atomic_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="ascii")
