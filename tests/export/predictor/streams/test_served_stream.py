"""Over the wire a stream is answered as in process, by the bundle's graphs for streams, whatever they run in."""

import time

import numpy as np
import pytest

from export import load_model
from export.bundle.folder import Bundle
from export.predictor.results import Window
from rgbd.types import Frame
from tests.support.live import talking
from tests.support.server import running_server

FPS, WINDOW_S, NUM_FRAMES = 10, 0.8, 40


@pytest.mark.slow
@pytest.mark.parametrize("artifact", ["onnxruntime-fp32", "openvino-fp32"])
def test_a_service_says_what_is_said_in_process(in_low_precision: Bundle, artifact: str) -> None:
    rng = np.random.default_rng(0)
    frames: list[Frame] = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(NUM_FRAMES)]
    session = load_model(in_low_precision.folder, artifact=artifact, live=True).live("rgb", window_s=WINDOW_S, top_k=1)
    said = [item for number, frame in enumerate(frames) for item in session.add("rgb", number / FPS, frame)]
    expected = [item for item in (*said, *session.end()) if isinstance(item, Window)]
    with running_server(in_low_precision.folder, artifact=artifact) as server, talking(server) as talk:
        ready = talk.hello("rgb", window_s=WINDOW_S, top_k=1)
        for number, frame in enumerate(frames):
            talk.frame("rgb", number / FPS, frame)
            time.sleep(0.5 / FPS)
        heard = talk.end()
        assert "follows live streams" in server.log.read_text()
    answers = [message for message in heard if message["type"] == "answer"]
    assert ready["lag_s"] == pytest.approx(6 / FPS)  # what the graph looks ahead
    assert heard[-1]["dropped"] == {"late": 0, "unpaired": 0}
    assert [answer["start_s"] for answer in answers] == pytest.approx([window.start for window in expected])
    assert len(expected) == NUM_FRAMES - 7
    for answer, window in zip(answers, expected, strict=True):
        assert answer["predictions"][0]["label"] == window.predictions[0].label
        assert answer["predictions"][0]["score"] == pytest.approx(window.predictions[0].score, abs=1e-4)
