"""What waits for a live stream in the service is bounded."""

import asyncio
from typing import Any

import pytest

from export.predictor.streams.live_frames import live_sampler
from serve.errors import TooLargeError
from serve.live.messages import PackedFrame
from serve.live.sessions import Session


def test_frames_that_wait_for_the_other_stream_take_so_much_and_no_more() -> None:
    unused: Any = None  # nothing stands for a moment
    session = Session(unused, live_sampler(("rgb", "depth"), 100.0), unused, unused)
    frames = [PackedFrame("rgb", "raw", number, bytes(100 << 20)) for number in range(3)]
    assert asyncio.run(session.add(frames[:2])) == []
    with pytest.raises(TooLargeError, match="take more than 256 MiB; send smaller ones"):
        asyncio.run(session.add(frames[2:]))
