"""From a bundle to answers in three lines: no server, no port, no other process."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from export.bundle.archive import open_bundle
from export.predictor.answer import Answer, WindowOutputs
from export.predictor.arguments import check_accepted, count, is_finite, path_of, shown
from export.predictor.clip_reading import read_clip
from export.predictor.clip_request import RecordingMeta, StreamFile
from export.predictor.decoded_clip import LiveChoice, PeopleChoice, TogetherChoice
from export.predictor.model import Model
from export.predictor.opened_files import check_complete
from export.predictor.results import Prediction
from export.predictor.streams.events import EventRules
from export.predictor.streams.live_frames import LiveFrames, live_request, live_sampler
from export.predictor.streams.pace import live_pace, window_of
from export.predictor.streams.session import LiveAnswers, LiveSession
from export.predictor.streams.shared_slider import SharedSlider
from export.predictor.streams.sliding import slider_of
from export.predictor.streams.timeline import Progress, Timeline, TimelineRules, read_timeline
from export.runtimes import RuntimeInfo
from export.runtimes.live import LiveRuntime
from export.runtimes.loading import load_live, load_runtime
from export.runtimes.registry import devices
from rgbd.clip.rejection import DEFAULT_ACCEPTED
from rgbd.errors import MissingStreamError, UserError
from rgbd.recording.formats import FILE_FORMATS
from rgbd.recording.limits import NO_LIMITS
from rgbd.recording.stills.image_files import IMAGE_FILES
from rgbd.types import Stream

_RECORDING = f"a folder of {IMAGE_FILES} frames, or a file ({FILE_FORMATS})"


class Predictor:
    """A model that is loaded, and answers with what POST /predict answers with.

    Several threads may ask it: they read their recordings side by side, and the network computes for one at a time.
    """

    def __init__(self, model: Model, live: LiveRuntime | None = None) -> None:
        self._model = model
        self._computing = Lock()  # runtimes are not for several threads at a time
        self._slider = SharedSlider(slider_of(model, live), self._computing)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their indices."""
        return self._model.bundle.manifest.labels

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that the model looks at."""
        return self._model.streams

    @property
    def runtime(self) -> RuntimeInfo:
        """What really computes it."""
        return self._model.runtime.info

    def predict(
        self,
        rgb: str | Path | None = None,
        depth: str | Path | None = None,
        *,
        windows: int = 1,
        top_k: int = 5,
        depth_scale_mm: float | None = None,
        fps: float | None = None,
        depth_fps: float | None = None,
        start_s: float = 0.0,
        end_s: float | None = None,
        rgb_track: str | None = None,
        depth_track: str | None = None,
        prepared: bool | None = None,
        people: PeopleChoice | None = None,
        accepted: float = DEFAULT_ACCEPTED,
        camera: str | None = None,
        intrinsics: Mapping[str, float] | None = None,
    ) -> Prediction:
        """Return which motion a recording shows.

        rgb, depth: each a file or a folder that `rgbd.recording.formats` opens; a file with a track of each, given as
        `rgb`, stands for both. windows: equal parts that are looked at one by one, for long recordings; no more than it
        has frames. top_k: how many classes are named. people: whom the answer is about where several are found: the
        "largest", "all" together, or "each"; default: all, where the model knows actions of two people, else the
        largest. accepted: the share of clips of known motions that are to be taken for known, from 0.5 to 0.99. The
        others are those of `RecordingMeta`.

        Raises `MediaError` for a recording that cannot be used, and `UserError` for what makes no sense.
        """
        num_windows, num_classes = count("windows", windows), count("top_k", top_k)
        _check_choices(people, accepted)
        meta = RecordingMeta(
            depth_scale_mm, fps, depth_fps, start_s, end_s, rgb_track, depth_track, prepared, camera, intrinsics
        )
        request = self._model.request(self._files(rgb, depth), meta, NO_LIMITS, num_windows, people)
        clip = read_clip(replace(request, windows_need_frames=True))
        outputs = [[self._infer(clips) for clips in windows] for windows in clip.subjects(self.streams)]
        return Answer(self._model, clip.facts, outputs, accepted).prediction(num_classes)

    def timeline(
        self,
        rgb: str | Path | None = None,
        depth: str | Path | None = None,
        *,
        window_s: float | None = None,
        top_k: int = 5,
        depth_scale_mm: float | None = None,
        fps: float | None = None,
        depth_fps: float | None = None,
        start_s: float = 0.0,
        end_s: float | None = None,
        rgb_track: str | None = None,
        depth_track: str | None = None,
        prepared: bool | None = None,
        people: TogetherChoice | None = None,
        accepted: float = DEFAULT_ACCEPTED,
        camera: str | None = None,
        intrinsics: Mapping[str, float] | None = None,
        progress: Progress | None = None,
    ) -> Timeline:
        """Return what happens in a recording, and when: events, and what each of many overlapping windows shows.

        window_s: how long windows are; by default as long as the clips that the model was trained on. people: whom it
        is about, the "largest" or "all" together. progress: is told how many sampled frames are looked at, of how many.
        The others are those of `predict`, and so is what raises; times must be known. With `load_model(..., live=True)`
        each frame is computed once; else each window is, as a clip.
        """
        num_classes = count("top_k", top_k)
        _check_choices(people, accepted, TogetherChoice)
        if window_s is not None and not (is_finite(window_s) and window_s > 0):
            raise UserError(f"window_s {shown(window_s)}: give seconds above 0, or leave it out")
        meta = RecordingMeta(
            depth_scale_mm, fps, depth_fps, start_s, end_s, rgb_track, depth_track, prepared, camera, intrinsics
        )
        request = self._model.request(self._files(rgb, depth), meta, NO_LIMITS, people=people)
        rules = TimelineRules(num_classes, EventRules(accepted=accepted))
        return read_timeline(self._model, self._slider, request, window_of(self._model, window_s), rules, progress)

    def live(
        self,
        *streams: Stream,
        window_s: float | None = None,
        every: int | None = None,
        top_k: int = 5,
        rules: EventRules | None = None,
        depth_scale_mm: float | None = None,
        prepared: bool | None = None,
        people: LiveChoice | int | None = None,
        camera: str | None = None,
        intrinsics: Mapping[str, float] | None = None,
    ) -> LiveSession:
        """Return what takes a camera's frames one by one, and says what they show as soon as it is known.

        streams: those that the camera sends, "rgb", "depth" or both. every: an answer comes every so many sampled
        frames; by default eight in a window. rules: when motions begin and end. people: whom it is about, the
        "largest", the "nearest", "all" together or one by number, 1 being the largest; "whole": nobody is looked for,
        and whole frames are taken. The others are those of `timeline`, and so is what raises.
        """
        num_classes = count("top_k", top_k)
        if people is not None and people not in get_args(LiveChoice) and type(people) is not int:
            raise UserError(f"people {shown(people)}: give one of {', '.join(get_args(LiveChoice))}, or a number")
        if not streams or not set(streams) <= set(get_args(Stream)):
            raise UserError(f'streams {shown(streams)}: give "rgb", "depth", or both, as the camera sends them')
        meta = RecordingMeta(depth_scale_mm, prepared=prepared, camera=camera, intrinsics=intrinsics)
        request = live_request(self._model, meta, NO_LIMITS, people)
        check_complete(streams, request)
        pace = live_pace(self._model, window_s, every)
        frames = LiveFrames(request, streams, pace.interval_s)
        answers = LiveAnswers(self._model, self._slider, streams, pace, rules or EventRules(), num_classes)
        return LiveSession(live_sampler(streams, pace.interval_s), frames, answers)

    def _files(self, rgb: str | Path | None, depth: str | Path | None) -> tuple[StreamFile, ...]:
        """Return what was given of a recording; raises `UserError` where that is nothing."""
        given: dict[Stream, str | Path | None] = {"rgb": rgb, "depth": depth}
        paths = {stream: path_of(stream, path, _RECORDING) for stream, path in given.items() if path is not None}
        if not paths:
            raise MissingStreamError(f"no recording was given; this model needs {' and '.join(self.streams)}")
        return tuple(StreamFile(stream, path, str(path)) for stream, path in paths.items())

    def _infer(self, clips: Mapping[Stream, NDArray[np.uint8]]) -> WindowOutputs:
        with self._computing:
            found = self._model.infer({stream: frames[None] for stream, frames in clips.items()})
        return {name: values[0] for name, values in found.items()}


def _check_choices(people: object, accepted: float, choices: object = PeopleChoice) -> None:
    """Raise `UserError` for people that nobody can be asked for, or a share that none can be."""
    if people is not None and people not in get_args(choices):
        raise UserError(f"people {shown(people)}: give one of {', '.join(get_args(choices))}, or leave it out")
    check_accepted(accepted)


def load_model(
    bundle: str | Path, *, device: str = "cpu", artifact: str | None = None, live: bool = False
) -> Predictor:
    """Return what answers with a bundle, a folder or a .zip that `python -m export` wrote.

    It runs the artifact of that name, or else the fastest that runs on the device ("cpu", "cuda", "tensorrt"), after
    trying it with a clip whose answer is known. live: whether the bundle's graphs for streams without end are loaded,
    too, for `Predictor.timeline`. Raises `UserError` where the bundle is damaged, or nothing in it runs here.
    """
    path = path_of("bundle", bundle, "the folder or the .zip that `python -m export` wrote")
    if not isinstance(device, str):
        raise UserError(f"device {shown(device)}: is no name; give one of {', '.join(devices())}")
    if artifact is not None and not isinstance(artifact, str):
        raise UserError(f"artifact {shown(artifact)}: is no name; give one that the bundle holds, or leave it out")
    with open_bundle(path) as opened:
        model = Model(opened, load_runtime(opened, device, artifact))
        return Predictor(model, load_live(opened, device, artifact) if live else None)
