"""What it costs to find box and distance once: accuracy of raw clips that are all made as one of them asks.

Run: `python -m benchmarks.live_first_look --bundle BUNDLE --data UTD-MHAD/Depth --performer 7`, with a network that has
not learnt from this performer, one of those for training. A live stream has the box of its first frames, though people
reach farther later, and depth that is told from the clip's middle distance is told from theirs. The baseline is each
clip with what is its own, as offline; the others are means over several clips that tell, with boxes wider by a factor.
"""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from export.bundle.folder import read_bundle
from export.predictor.clip_request import RecordingMeta
from export.predictor.model import Model
from export.predictor.streams import first_look
from export.predictor.streams.first_look import ROOM
from export.predictor.streams.live_frames import live_request
from export.predictor.streams.timed_sampling import Sampled
from export.runtimes.loading import load_runtime
from rgbd.clip.build import warp_frame
from rgbd.clip.depth_encoding import depth_limits, encode_depth
from rgbd.clip.ongoing import OngoingPreparation
from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import NO_LIMITS
from rgbd.recording.streams import frame_of
from rgbd.types import Depth, Frame

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
    moments = [Sampled[Frame](float(number), {"depth": frame}, begins=False) for number, frame in enumerate(frames)]
    _, ongoing = first_look.look(moments, request, 1.0)
    assert ongoing is not None
    return ongoing


def made(kept: Sequence[Depth], spec: ClipSpec, limits_mm: tuple[int, int]) -> NDArray[np.uint8]:
    """Return what the network takes of masked frames, uint8 [1, T, H, W, 3]."""
    clip = np.empty((1, *spec.shape), np.uint8)
    for image, output in zip(encode_depth(kept, spec.depth, limits_mm), clip[0], strict=True):
        warp_frame(image, spec, centred_geometry(spec), output)
    return clip


def accuracy(
    model: Model, clips: Sequence[Clip], room: float, box_of: list[Depth] | None, middle_of: list[Depth] | None
) -> float:
    """Return the share of clips that are named rightly with the box, and the middle, of these frames, or their own."""
    spec = model.bundle.manifest.clip_spec
    right = 0
    for label, frames in track(clips, console=Console(stderr=True)):
        kept = _kept(prepared(model, box_of or frames, room), frames)
        told = kept if middle_of is None else _kept(prepared(model, middle_of, room), middle_of)
        outputs = model.infer({"depth": made(kept, spec, depth_limits(told, spec.depth))})
        right += int(outputs[model.bundle.manifest.answer][0].argmax()) == label
    return right / len(clips)


def _kept(ongoing: OngoingPreparation, frames: Sequence[Depth]) -> list[Depth]:
    return [ongoing.keep({"depth": frame})["depth"].astype(np.uint16, copy=False) for frame in frames]


def measure(model: Model, clips: Sequence[Clip]) -> Mapping[str, float]:
    """Return the accuracy of each way."""
    others = [frames for _, frames in clips[:: len(clips) // NUM_REFERENCES][:NUM_REFERENCES]]

    def mean(of_one: Callable[[list[Depth]], float]) -> float:
        return sum(map(of_one, others)) / len(others)

    found = {"all of its own": accuracy(model, clips, 1.0, None, None)}
    found["the middle distance of another clip"] = mean(lambda frames: accuracy(model, clips, 1.0, None, frames))
    for room in ROOMS:
        box = partial(accuracy, model, clips, room)
        found[f"the box of another clip, {room:g} times"] = mean(lambda frames, box=box: box(frames, None))
    found[f"both of another clip, {ROOM:g} times"] = mean(lambda frames: accuracy(model, clips, ROOM, frames, frames))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="of a network for depth")
    parser.add_argument("--data", type=Path, required=True, help="the folder of UTD-MHAD's depth")
    parser.add_argument("--performer", type=int, required=True, help="whom it has not learnt from")
    options = parser.parse_args()
    bundle = read_bundle(options.bundle)
    model = Model(bundle, load_runtime(bundle))
    clips = list(clips_of(options.data, options.performer, bundle.manifest.clip_spec.num_frames))
    table = Table("made with", "top-1", title=f"{len(clips)} clips of performer {options.performer}", box=None)
    for name, share in measure(model, clips).items():
        table.add_row(name, f"{share:.1%}")
    Console(width=80).print(table)


if __name__ == "__main__":
    main()
