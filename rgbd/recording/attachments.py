"""What the files within a Matroska file, and the tags of its tracks, say of the cameras that took them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import av

from rgbd.camera.calibration import StreamCamera
from rgbd.recording.azure_kinect import AZURE_KINECT_TAGS, AZURE_KINECT_UNIT_MM, AzureKinectCalibration
from rgbd.types import Size

_AZURE_KINECT_FILE, _AZURE_KINECT_FILE_TAG = "calibration.json", "K4A_CALIBRATION_FILE"
_DEPTH_TAG, _INFRARED_TAG = "K4A_DEPTH_TRACK", "K4A_IR_TRACK"
_INFRARED = re.compile(r"(depth[_ -])?(ir|infra[ -]?red)([_ -]?(\d+|left|right|image|stream|camera))?", re.IGNORECASE)


class TrackFacts(NamedTuple):
    """What is said of one track: its camera, the unit of its depth, and in words what should be said and is not."""

    camera: StreamCamera = StreamCamera()
    unit_mm: float | None = None
    notes: tuple[str, ...] = ()


NO_FACTS = TrackFacts()


class Attachments:
    """What an open file has beside its tracks."""

    def __init__(self, container: av.container.InputContainer) -> None:
        tags = [container.metadata, *(track.metadata for track in container.streams)]
        self._is_azure_kinect = any(name.startswith(AZURE_KINECT_TAGS) for names in tags for name in names)
        self._broken: tuple[str, ...] = ()
        self._calibration: AzureKinectCalibration | None = None
        data = _azure_kinect_file(container)
        if data is not None:
            try:
                self._calibration = AzureKinectCalibration(data)
            except ValueError as error:
                self._broken = (
                    f"its {_AZURE_KINECT_FILE} cannot be read ({error}), so that its cameras are not known",
                )
        elif self._is_azure_kinect:
            self._broken = (f"it has no {_AZURE_KINECT_FILE}, so that its cameras are not known",)

    def facts(self, size: Size, *, is_depth: bool) -> TrackFacts:
        """Return what is said of a track with frames of this size."""
        if self._calibration is None:
            return TrackFacts(
                notes=self._broken, unit_mm=AZURE_KINECT_UNIT_MM if self._is_azure_kinect and is_depth else None
            )
        camera, notes = self._calibration.camera("depth" if is_depth else "rgb", size)
        return TrackFacts(camera, AZURE_KINECT_UNIT_MM if is_depth else None, notes)


def _azure_kinect_file(container: av.container.InputContainer) -> bytes | None:
    """Return the calibration that the recorder of an Azure Kinect attaches; it is found by its tag, or its name."""
    files = container.streams.attachments
    tagged = [file for file in files if _AZURE_KINECT_FILE_TAG in file.metadata]
    for file in [*tagged, *files]:
        if file in tagged or file.metadata.get("filename") == _AZURE_KINECT_FILE:
            return file.data or b""
    return None


def is_infrared(tags: Mapping[str, str]) -> bool:
    """Return whether the tags of a track of grey, of more than 8 bits, say that it is no depth but infrared."""
    if _DEPTH_TAG in tags or _INFRARED_TAG in tags:
        return _INFRARED_TAG in tags
    return _INFRARED.fullmatch(tags.get("title", "").strip()) is not None
