"""What a box costs that was found once: accuracy of raw clips that are all cut by the box of one of them.

Run: `python -m benchmarks.live_boxes --bundle BUNDLE --data UTD-MHAD/Depth --performer 7`, with a network that has not
learnt from this performer, one of those for training. A live stream has a box of its first frames; people reach farther
later. The baseline is each clip with the box of its own, as offline; the others are wider by a factor, and means over
boxes of several clips.
"""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from export.bundle.folder import read_bundle
from export.predictor.clip_request import RecordingMeta
from export.predictor.model import Model
from export.predictor.streams import first_look
from export.predictor.streams.live_frames import live_request
from export.predictor.streams.timed_sampling import Sampled
from export.runtimes.loading import load_runtime
from rgbd.clip.build import build_clip
from rgbd.clip.ongoing import OngoingPreparation
from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import centred_geometry
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import NO_LIMITS
from rgbd.recording.streams import frame_of
from rgbd.types import Depth

ROOMS = (1.0, 1.05, 1.1, 1.15, 1.2, 1.35)
NUM_REFERENCES = 4
_NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_depth\.mat")
Clip = tuple[int, list[Depth]]
"""Its class, and its sampled frames."""


def clips_of(folder: Path, performer: int, num_frames: int) -> Iterator[Clip]:
    """Yield the clips of a performer, by class."""
    for path in sorted(folder.iterdir(), key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)]):
        found = _NAME.fullmatch(path.name)
        if found is not None and int(found[2]) == performer:
            (stream,) = open_streams(path)
            wanted = bin_centres(stream.num_frames, num_frames)
            frames = {
                place: frame_of(picture).astype(np.uint16)
                for place, picture in zip(
                    np.unique(wanted).tolist(), stream.read(np.unique(wanted).tolist()), strict=True
                )
            }
            yield int(found[1]) - 1, [frames[place] for place in wanted.tolist()]


def prepared(model: Model, frames: Sequence[Depth], room: float) -> OngoingPreparation:
    """Return what cuts and masks frames as these, its first, ask for."""
    request = live_request(model, RecordingMeta(prepared=False), NO_LIMITS, None)
    first_look.ROOM = room
    moments = [Sampled(float(number), {"depth": frame}, begins=False) for number, frame in enumerate(frames)]
    _, ongoing = first_look.look(moments, request, 1.0)
    assert ongoing is not None
    return ongoing


def accuracy(model: Model, clips: Sequence[Clip], cut: Callable[[Clip], OngoingPreparation]) -> float:
    """Return the share of clips that are named rightly when each is cut like this."""
    spec = model.bundle.manifest.clip_spec
    right = 0
    for clip in track(clips, console=Console(stderr=True)):
        label, frames = clip
        ongoing = cut(clip)
        kept = [ongoing.keep({"depth": frame})["depth"] for frame in frames]
        outputs = model.infer({"depth": build_clip(kept, "depth", spec, centred_geometry(spec))[None]})
        right += int(outputs[model.bundle.manifest.answer][0].argmax()) == label
    return right / len(clips)


def measure(model: Model, clips: Sequence[Clip]) -> Mapping[str, float]:
    """Return the accuracy of each way to find boxes."""
    references = [frames for _, frames in clips[:: len(clips) // NUM_REFERENCES][:NUM_REFERENCES]]
    found = {"of its own": accuracy(model, clips, lambda clip: prepared(model, clip[1], 1.0))}
    for room in ROOMS:
        shares = [accuracy(model, clips, partial(_as_that, model, frames, room)) for frames in references]
        found[f"of another clip, {room:g} times"] = sum(shares) / len(shares)
    return found


def _as_that(model: Model, frames: Sequence[Depth], room: float, _: Clip) -> OngoingPreparation:
    return prepared(model, frames, room)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="of a network for depth")
    parser.add_argument("--data", type=Path, required=True, help="the folder of UTD-MHAD's depth")
    parser.add_argument("--performer", type=int, required=True, help="whom it has not learnt from")
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    model = Model(bundle, load_runtime(bundle))
    clips = list(clips_of(options.data, options.performer, bundle.manifest.clip_spec.num_frames))
    table = Table("box", "top-1 %", title=f"{len(clips)} clips of performer {options.performer}", box=None)
    for name, share in measure(model, clips).items():
        table.add_row(name, f"{share:.1%}")
    Console(width=80).print(table)


if __name__ == "__main__":
    main()
