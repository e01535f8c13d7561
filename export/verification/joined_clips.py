"""Clips of a processed data set, one after another with pauses between, as a long recording whose events are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rgbd.clip.running import InStep, RunningClip
from rgbd.clip.spec import ClipSpec
from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.records import RECORDS_FILE, read_records
from rgbd.dataset.splits import SplitEntry
from rgbd.errors import DatasetError
from rgbd.types import Frame, Stream

_PAUSE_S = (0.5, 2.0)
_Portion = Mapping[Stream, NDArray[np.uint8]]


@dataclass(frozen=True)
class Shown:
    """What a recording shows from `start_s` to `end_s`: the index of a class of the data set."""

    label: int
    start_s: float
    end_s: float


class JoinedClips:
    """A recording made of clips in a drawn order; in pauses the last frame stands still.

    Raises `DatasetError` where it is not known how long a clip lasts.
    """

    def __init__(self, root: Path, spec: DatasetSpec, entries: Sequence[SplitEntry], seed: int) -> None:
        rng = np.random.default_rng(seed)
        records = read_records(root / RECORDS_FILE)
        self._reader = open_clips(root, spec, records)
        self._clips: list[tuple[SplitEntry, float, float]] = []  # when each begins, and how long it lasts
        self.duration_s = float(rng.uniform(*_PAUSE_S))
        for place in rng.permutation(len(entries)):
            entry = entries[place]
            record = records.get(entry.clip)
            if record is None or record.duration_s is None:
                raise DatasetError(f"{root}: how long {entry.clip} lasts is not known; preprocess it with this version")
            self._clips.append((entry, self.duration_s, record.duration_s))
            self.duration_s += record.duration_s + float(rng.uniform(*_PAUSE_S))

    @property
    def shown(self) -> list[Shown]:
        """What it shows, and when."""
        return [Shown(entry.label, start_s, start_s + lasts_s) for entry, start_s, lasts_s in self._clips]

    def frames(self, streams: Sequence[Stream], spec: ClipSpec, interval_s: float) -> Iterator[_Portion]:
        """Yield the sampled frames as the network takes them, as many of each stream."""
        together = InStep()
        made = (together.add(portion) for portion in self._portions(streams, spec, interval_s))
        return (frames for frames in made if len(frames[streams[0]]))

    def _portions(self, streams: Sequence[Stream], spec: ClipSpec, interval_s: float) -> Iterator[_Portion]:
        """Yield the frames of each clip, and of the pause behind it."""
        running = {stream: RunningClip(stream, spec) for stream in streams}
        times_s = np.arange(interval_s / 2, self.duration_s, interval_s)
        ends = [start_s for _, start_s, _ in self._clips[1:]] + [self.duration_s]
        first_s = 0.0
        for (entry, start_s, lasts_s), end_s in zip(self._clips, ends, strict=True):
            inside = times_s[(times_s >= first_s) & (times_s < end_s)] - start_s
            places = np.clip(inside / lasts_s * entry.num_frames, 0, entry.num_frames - 1).astype(int).tolist()
            first_s = end_s
            yield {stream: of.add(self._read(stream, entry, places)) for stream, of in running.items()}
        yield {stream: of.add([], is_end=True) for stream, of in running.items()}

    def _read(self, stream: Stream, entry: SplitEntry, places: Sequence[int]) -> list[Frame]:
        return read_frames(self._reader, stream, entry.clip, places)
