"""Long recordings of which is known what they show, played to a model: its windows, and the events in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.bundle.manifest import BundleManifest
from export.predictor.model import Model
from export.predictor.streams.answers import StreamAnswers
from export.predictor.streams.events import Event, EventRules
from export.predictor.streams.pace import Pace, default_pace
from export.predictor.streams.sliding import SlidWindow, slide_over, slider_of
from export.runtimes.live import LiveRuntime
from export.verification.event_figures import Found, Span
from export.verification.joined_clips import JoinedClips
from rgbd.dataset.layouts import DATASETS, DatasetSpec
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import UserError


@dataclass(frozen=True, eq=False)
class Played:
    """What a model says of the windows of a recording, and what that really shows.

    lag_s: by how much later than its last frame a window is answered.
    """

    windows: Sequence[SlidWindow]
    shown: Sequence[Span]
    duration_s: float
    pace: Pace
    lag_s: float


def play(model: Model, live: LiveRuntime | None, data: Path, seed: int, window_s: float) -> Played:
    """Return what a model says of a recording made of a data set's validation clips, in the order that a seed draws.

    Raises `UserError` where the bundle does not say which data set its network was trained on.
    """
    manifest, spec = model.bundle.manifest, model.bundle.manifest.clip_spec
    dataset, protocol = _dataset(manifest)
    recording = JoinedClips(data, dataset, read_split(dataset.split_file(data, "valid", protocol), dataset), seed)
    indices = _indices(manifest, dataset, protocol, data)
    pace = default_pace(spec.num_frames, window_s / spec.num_frames)
    frames = recording.frames(model.streams, spec, pace.interval_s)
    windows = list(slide_over(slider_of(model, live), pace.every, frames))
    shown = [Span(indices[item.label], item.start_s, item.end_s) for item in recording.shown]
    lag_s = 0.0 if live is None else live.steps.lag * pace.interval_s
    return Played(windows, shown, recording.duration_s, pace, lag_s)


def events_in(model: Model, played: Played, rules: EventRules) -> list[Found]:
    """Return the events that these rules find in what was played."""
    answers = StreamAnswers(model, model.streams, rules, 0.0, played.pace)
    found: list[Found] = []
    told_s = 0.0

    def keep(event: Event) -> None:
        found.append(Found(event.index, event.start_s, event.end_s, told_s))

    for slid in played.windows:
        window, events = answers.take(slid)
        for event in events:
            if event.is_over:
                keep(event)
            else:
                told_s = window.end + played.lag_s
    if (ended := answers.end()) is not None:
        keep(ended)
    return found


def _dataset(manifest: BundleManifest) -> tuple[DatasetSpec, str]:
    """Return the data set that a bundle's network was trained on, and its protocol."""
    data = manifest.source.config.get("data")
    if not isinstance(data, dict) or data.get("dataset") not in DATASETS:
        raise UserError(
            "the bundle does not say which data set its network was trained on; export the checkpoint again"
        )
    return DATASETS[str(data["dataset"])], str(data.get("protocol"))


def _indices(manifest: BundleManifest, dataset: DatasetSpec, protocol: str, data: Path) -> Sequence[int]:
    """Return what the bundle calls each class of the data set; -1 for one that it does not know."""
    names = dataset.classes_of(protocol, read_class_names(data) or dataset.class_names)
    known = {label: index for index, label in enumerate(manifest.labels)}
    return [known.get(name, -1) for name in names]
