"""A time line as a file: nothing is lost in JSON, and no label can break a table or subtitles."""

import csv
import io
import json

import pytest

from export.predictor.results import Score, Window
from export.predictor.streams.events import Event
from export.predictor.streams.formats import as_csv, as_json, as_webvtt
from export.predictor.streams.timeline import Timeline

STRANGE = 'wave, "both" --> <b>hands</b> & more'


@pytest.fixture
def timeline() -> Timeline:
    events = (
        Event("winken mit der Hand, 手", 0, 1.5, 3.25, 0.875, 0.4, is_over=True),
        Event(STRANGE, 1, 3725.0, 3725.0, 0.61, None, is_over=True),
    )
    windows = (Window((Score(STRANGE, 1, 0.61),), known=None, confidence=None, start=0.0, end=2.0),)
    return Timeline(4000.0, 2.0, 0.25, 1, None, events, windows, ("look at this",))


def test_json_has_all_of_it(timeline: Timeline) -> None:
    found = json.loads(as_json(timeline))
    assert found["events"][0]["label"] == "winken mit der Hand, 手" and found["events"][0]["end_s"] == 3.25
    assert found["windows"][0]["predictions"] == [{"label": STRANGE, "index": 1, "score": 0.61}]
    assert (found["duration_s"], found["person"], found["warnings"]) == (4000.0, 1, ["look at this"])


def test_a_table_has_a_line_for_each_event(timeline: Timeline) -> None:
    head, *rows = csv.reader(io.StringIO(as_csv(timeline)))
    assert head == ["start_s", "end_s", "label", "index", "score", "confidence"]
    assert rows[0] == ["1.500", "3.250", "winken mit der Hand, 手", "0", "0.8750", "0.4000"]
    assert rows[1][2] == STRANGE and rows[1][5] == ""


def test_subtitles_are_webvtt(timeline: Timeline) -> None:
    head, first, second = as_webvtt(timeline).split("\n\n")
    assert head == "WEBVTT"
    assert first == "00:00:01.500 --> 00:00:03.250\nwinken mit der Hand, 手 (88%)"
    assert second == ('01:02:05.000 --> 01:02:05.100\nwave, "both" --&gt; &lt;b&gt;hands&lt;/b&gt; &amp; more (61%)\n')
