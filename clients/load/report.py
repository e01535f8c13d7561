"""What came of a load: numbers, and how they look in a terminal."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.load.requests import ANSWERED, Request

_WIDTH, _BAR = 80, 46
_MAX_BINS = 12


@dataclass(frozen=True)
class Latency:
    """Milliseconds within which half, 90 and 99 of 100, and all requests of a kind were over."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class Outcome:
    """What became of `num_requests`: `name` is "answered" or the word of an error."""

    name: str
    is_refused: bool
    num_requests: int
    latency: Latency


@dataclass(frozen=True)
class Report:
    """All of it; `duration_s` is up to the last answer, `throughput` the answers a second until then."""

    num_requests: int
    num_answered: int
    num_refused: int
    num_failed: int
    duration_s: float
    throughput: float
    outcomes: tuple[Outcome, ...]


def report_of(requests: Sequence[Request]) -> Report:
    """Return the numbers of these requests."""
    counts = Counter((request.outcome, request.is_refused) for request in requests)
    outcomes = tuple(
        Outcome(name, is_refused, number, _latency([one.latency_s for one in requests if one.outcome == name]))
        for (name, is_refused), number in sorted(counts.items(), key=lambda item: (item[0][0] != ANSWERED, item[0]))
    )
    answered, refused = counts[ANSWERED, False], sum(one.num_requests for one in outcomes if one.is_refused)
    duration_s = max((request.end_s for request in requests), default=0.0)
    return Report(
        num_requests=len(requests),
        num_answered=answered,
        num_refused=refused,
        num_failed=len(requests) - answered - refused,
        duration_s=duration_s,
        throughput=answered / duration_s if duration_s else 0.0,
        outcomes=outcomes,
    )


def bins_of(latencies_s: Sequence[float]) -> Iterator[tuple[float, float, int]]:
    """Yield from, to, in seconds, and how many are between: bins that are each as many times as wide as the last."""
    if not latencies_s:
        return
    low, high = max(min(latencies_s), 1e-6), max(latencies_s)
    num_bins = min(_MAX_BINS, max(1, math.ceil(math.log(high / low, 1.25)))) if high > low else 1
    ratio = (high / low) ** (1 / num_bins)
    places = Counter(
        min(num_bins - 1, int(math.log(max(value, low) / low, ratio))) if ratio > 1 else 0 for value in latencies_s
    )
    for index in range(num_bins):
        yield low * ratio**index, low * ratio ** (index + 1), places[index]


def print_report(console: Console, report: Report, requests: Sequence[Request]) -> None:
    """Print the table and the histogram of the answers, 80 columns wide."""
    table = Table(box=None, padding=(0, 1, 0, 0), width=_WIDTH, header_style="dim")
    table.add_column("outcome", ratio=1, overflow="fold")
    for name in ("requests", "share", "p50 ms", "p90 ms", "p99 ms", "max ms"):
        table.add_column(name, justify="right", width=8)
    for one in report.outcomes:
        latency = one.latency
        words = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.max_ms)
        kind = "" if one.name == ANSWERED else "refused: " if one.is_refused else "failed: "
        share = f"{one.num_requests / report.num_requests:.1%}"
        table.add_row(f"{kind}{escape(one.name)}", str(one.num_requests), share, *(f"{word:.1f}" for word in words))
    console.print(table)
    console.print(
        f"[bold]{report.throughput:.2f} answers/s[/], {report.num_requests} requests in {report.duration_s:.1f} s: "
        f"{report.num_answered} answered, {report.num_refused} refused, {report.num_failed} failed"
    )
    console.print(_histogram([one.latency_s for one in requests if one.outcome == ANSWERED]))


def _histogram(latencies_s: Sequence[float]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), width=_WIDTH)
    table.add_column(justify="right", width=22, style="dim")
    table.add_column(width=_BAR)
    table.add_column(justify="right", ratio=1)
    found = list(bins_of(latencies_s))
    most = max((number for _, _, number in found), default=0)
    for low, high, number in found:
        bar = Bar(size=most, begin=0, end=number, width=_BAR, color="cyan")
        table.add_row(f"{1000 * low:.1f} to {1000 * high:.1f} ms", bar, str(number))
    return table


def _latency(latencies_s: list[float]) -> Latency:
    ordered = sorted(latencies_s)
    ranks = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9, 0.99, 1.0))
    return Latency(*(1000 * value for value in ranks))
