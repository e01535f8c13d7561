"""The figures of a benchmark as a chart."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from export.bench.contenders import Row


def chart(rows: Sequence[Row], title: str) -> str:
    """Return an SVG file with a bar for each row: milliseconds a clip, to the 95th percentile."""
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    widest = max(row.p95_ms / row.batch for row in rows)
    bars = [
        {
            "name": row.artifact if row.batch == 1 else f"{row.artifact}, {row.batch} at a time",
            "p50": row.p50_ms / row.batch,
            "median": row.p50_ms / row.batch / widest,
            "late": row.p95_ms / row.batch / widest,
            "times": max(other.p50_ms / other.batch for other in rows) * row.batch / row.p50_ms,
        }
        for row in rows
    ]
    return templates.get_template("chart.svg").render(bars=bars, title=title)
