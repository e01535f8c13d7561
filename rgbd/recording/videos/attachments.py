"""What the files within a Matroska file, and the tags of its tracks, say of the cameras that took them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import av

from rgbd.camera.calibration import StreamCamera
from rgbd.recording.videos.azure_kinect import AZURE_KINECT_TAGS, AZURE_KINECT_UNIT_MM, AzureKinectCalibration
from rgbd.recording.videos.matroska_calibration import CALIBRATION_FILE, AttachedCalibration
from rgbd.types import Size

_AZURE_KINECT_FILE, _AZURE_KINECT_FILE_TAG = "calibration.json", "K4A_CALIBRATION_FILE"
_DEPTH_TAG, _INFRARED_TAG = "K4A_DEPTH_TRACK", "K4A_IR_TRACK"
_INFRARED = re.compile(r"(depth[_ -])?(ir|infra[ -]?red)([_ -]?(\d+|left|right|image|stream|camera))?", re.IGNORECASE)


class TrackFacts(NamedTuple):
    """What is said of one track: its camera, the unit of its depth, and in words what should be said and is not.

    start_ms: what the recording's clock showed at the file's time 0. is_timed: whether the file's times mean anything.
    """

    camera: StreamCamera = StreamCamera()
    unit_mm: float | None = None
    notes: tuple[str, ...] = ()
    start_ms: int = 0
    is_timed: bool = True

    def on_its_clock(self, times_s: tuple[float, ...] | None) -> tuple[float, ...] | None:
        """Return the file's times on the recording's clock; None where they are not known."""
        if times_s is None or not self.is_timed:
            return None
        if not self.start_ms:
            return times_s
        return tuple(round(time * 1000 + self.start_ms) / 1000 for time in times_s)  # whole ones, as they were written


NO_FACTS = TrackFacts()


class Attachments:
    """What an open file has beside its tracks."""

    def __init__(self, container: av.container.InputContainer) -> None:
        tags = [container.metadata, *(track.metadata for track in container.streams)]
        self._is_azure_kinect = any(name.startswith(AZURE_KINECT_TAGS) for names in tags for name in names)
        self._ours: AttachedCalibration | None = None
        self._azure_kinect: AzureKinectCalibration | None = None
        self._broken: tuple[str, ...] = ()
        try:
            if (data := _named(container, CALIBRATION_FILE)) is not None:
                self._ours = AttachedCalibration.read(data)
            elif (data := _azure_kinect_file(container)) is not None:
                self._azure_kinect = AzureKinectCalibration(data)
            elif self._is_azure_kinect:
                self._broken = (f"it has no {_AZURE_KINECT_FILE}, so that its cameras are not known",)
        except ValueError as error:
            self._broken = (
                f"the calibration attached to it cannot be read ({error}), so that its cameras are not known",
            )

    def facts(self, title: str, size: Size, *, is_depth: bool) -> TrackFacts:
        """Return what is said of a track of this title with frames of this size."""
        if self._ours is not None:
            track = self._ours.track(title)
            start_ms = self._ours.start_ms
            if track is None:
                return TrackFacts(start_ms=start_ms)
            return TrackFacts(track.camera, track.possible_unit_mm, (), start_ms, track.is_timed)
        unit_mm = AZURE_KINECT_UNIT_MM if is_depth and (self._is_azure_kinect or self._azure_kinect) else None
        if self._azure_kinect is None:
            return TrackFacts(unit_mm=unit_mm, notes=self._broken)
        camera, notes = self._azure_kinect.camera("depth" if is_depth else "rgb", size)
        return TrackFacts(camera, unit_mm, notes)


def _named(container: av.container.InputContainer, name: str) -> bytes | None:
    """Return the content of the file of this name; None where none is attached."""
    files = container.streams.attachments
    return next((file.data or b"" for file in files if file.metadata.get("filename") == name), None)


def _azure_kinect_file(container: av.container.InputContainer) -> bytes | None:
    """Return the calibration that the recorder of an Azure Kinect attaches; it is found by its tag, or its name."""
    files = container.streams.attachments
    tagged = (file.data or b"" for file in files if _AZURE_KINECT_FILE_TAG in file.metadata)
    return next(tagged, None) or _named(container, _AZURE_KINECT_FILE)


def is_infrared(tags: Mapping[str, str]) -> bool:
    """Return whether the tags of a track of grey, of more than 8 bits, say that it is no depth but infrared."""
    if _DEPTH_TAG in tags or _INFRARED_TAG in tags:
        return _INFRARED_TAG in tags
    return _INFRARED.fullmatch(tags.get("title", "").strip()) is not None
