"""A process that a file has taken over harms nobody but who sent the file: what it sends must be frames."""

from typing import Any

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import SPEC
from export.predictor.clip_request import ClipRequest, RecordingMeta
from export.predictor.streams.sampled_recording import Beginning
from rgbd.recording.limits import NO_LIMITS
from serve.errors import DecoderCrashedError
from serve.live.recording_process import read_in
from serve.live.stream_process import StreamProcess
from serve.uploads.ipc import DecoderReply

BEGINNING = Beginning(given=("rgb", "depth"), start_s=0.0, duration_s=2.0, num_frames=8)


class TakenOver(StreamProcess):
    """Says that there is a recording, and sends frames of these shapes."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        super().__init__(memory_mb=1024, cpu_s=10)
        self._shapes, self.is_killed = shapes, False

    def start(self) -> None:
        pass

    def call(self, _: Any, kind: Any, argument: Any) -> DecoderReply[Any]:
        if argument is not None:
            return DecoderReply(kind(beginning=BEGINNING))
        return DecoderReply(kind(item=["rgb", "depth"]), [np.zeros(shape, np.uint8) for shape in self._shapes])

    def kill(self) -> None:
        self.is_killed = True


@pytest.mark.parametrize(
    "shapes", [(), ((2, 8, 8, 3),) * 2, ((2, *SPEC.shape[1:]), (3, *SPEC.shape[1:])), ((7,), (7,))]
)
def test_what_are_no_frames_is_a_crash(shapes: tuple[tuple[int, ...], ...]) -> None:
    request = ClipRequest((), RecordingMeta(), NO_LIMITS, SPEC, ("rgb", "depth"))
    process = TakenOver(*shapes)
    read = read_in(process, request, window_s=1.0)
    assert next(read) == BEGINNING
    with pytest.raises(DecoderCrashedError):
        next(read)
    assert process.is_killed
