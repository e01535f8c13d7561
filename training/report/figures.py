"""Curves of a run's course, and how its classes were taken for each other."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.run.metrics import Evaluation

# Charts by name, and patterns of the names of the figures in each.
_CHARTS = {
    "Accuracy": ("train top1", "valid top1", "valid mean_class", "valid averaged_top1"),
    "Loss": ("train loss*",),
    "Learning rate": ("train lr",),
}
_WIDTH, _HEIGHT = 300, 100  # of a chart, in its own units


@dataclass(frozen=True)
class Curve:
    """One line of a chart: (epoch, value) as SVG points of a chart 300 wide and 100 high, and its last value."""

    name: str
    points: str
    last: float


@dataclass(frozen=True)
class Chart:
    """Curves over the epochs, all between `low` and `high`."""

    name: str
    curves: tuple[Curve, ...]
    low: float
    high: float
    epochs: tuple[int, int]


@dataclass(frozen=True)
class ClassRow:
    """How the clips of one class were taken."""

    index: int
    name: str
    counts: tuple[int, ...]  # by answer
    accuracy: float | None  # without clips: None

    @property
    def total(self) -> int:
        """The number of the class's clips."""
        return sum(self.counts)


@dataclass(frozen=True)
class Confusion:
    """How many clips of one class were taken for another."""

    truth: str
    answer: str
    count: int
    share: float  # of the true class's clips


def charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return a chart for each kind of figure that the run's history has."""
    if not rows:
        return []
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        for half in ("train", "valid"):
            for figure, value in (row[half] or {}).items():
                if value is not None:
                    series.setdefault(f"{half} {figure}", []).append((row["epoch"], value))
    epochs = (rows[0]["epoch"], rows[-1]["epoch"])
    return [
        _chart(name, {key: series[key] for kind in kinds for key in fnmatch.filter(series, kind)}, epochs)
        for name, kinds in _CHARTS.items()
    ]


def _chart(name: str, series: Mapping[str, Sequence[tuple[int, float]]], epochs: tuple[int, int]) -> Chart:
    values = [value for points in series.values() for _, value in points]
    low, high = (0.0, 1.0) if name == "Accuracy" else (min([0.0, *values]), max([1e-12, *values]))
    span = max(1, epochs[1] - epochs[0])

    def svg(points: Sequence[tuple[int, float]]) -> str:
        places = [
            (_WIDTH * (epoch - epochs[0]) / span, _HEIGHT * (high - value) / (high - low)) for epoch, value in points
        ]
        if len(places) == 1:
            places.append((_WIDTH, places[0][1]))  # of a point nothing would be seen
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)

    curves = tuple(Curve(key, svg(points), points[-1][1]) for key, points in series.items())
    return Chart(name, curves, low, high, epochs)


def class_rows(evaluation: Evaluation, names: Sequence[str]) -> list[ClassRow]:
    """Return how the clips of each class were taken."""
    shares = evaluation.class_accuracies()
    return [
        ClassRow(index, names[index], tuple(counts.tolist()), None if np.isnan(shares[index]) else float(shares[index]))
        for index, counts in enumerate(evaluation.confusion())
    ]


def confusions(classes: Sequence[ClassRow]) -> list[Confusion]:
    """Return what was taken for what, the most frequent first."""
    found = [
        Confusion(row.name, classes[answer].name, count, count / row.total)
        for row in classes
        for answer, count in enumerate(row.counts)
        if count and answer != row.index
    ]
    return sorted(found, key=lambda confusion: (-confusion.count, -confusion.share))
