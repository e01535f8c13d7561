"""A time line as a file: all of it as JSON, its events as a table, or as subtitles."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict

from export.predictor.streams.timeline import Timeline

_SHORTEST_S = 0.1  # of a subtitle, or players pass over it


def as_json(timeline: Timeline) -> str:
    """Return all that is known, as an object with the fields of `Timeline`."""
    return json.dumps(asdict(timeline), indent=2, ensure_ascii=False) + "\n"


def as_csv(timeline: Timeline) -> str:
    """Return a line for each event, below a line with the names of the columns."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("start_s", "end_s", "label", "index", "score", "confidence"))
    for event in timeline.events:
        confidence = "" if event.confidence is None else f"{event.confidence:.4f}"
        times = f"{event.start_s:.3f}", f"{event.end_s:.3f}"
        table.writerow((*times, event.label, event.index, f"{event.score:.4f}", confidence))
    return text.getvalue()


def as_webvtt(timeline: Timeline) -> str:
    """Return a subtitle for each event (WebVTT)."""
    cues = [
        f"{_clock(event.start_s)} --> {_clock(max(event.end_s, event.start_s + _SHORTEST_S))}\n"
        f"{_escaped(event.label)} ({event.score:.0%})\n"
        for event in timeline.events
    ]
    return "\n".join(["WEBVTT\n", *cues])


WRITERS: Mapping[str, Callable[[Timeline], str]] = {".json": as_json, ".csv": as_csv, ".vtt": as_webvtt}
"""By the ending of a file's name."""


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
