"""What a model did since it was loaded, as the statistics extension of the Open Inference Protocol reports it."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Span:
    """How often something happened, and how long it took altogether."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float, count: int = 1) -> None:
        self.count += count
        self.ns += int(seconds * 1e9)

    @property
    def mean_ms(self) -> float | None:
        return self.ns / self.count / 1e6 if self.count else None

    def report(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass
class ModelStatistics:
    """Counts and durations; a clip is an inference, and a batch of them an execution."""

    _success: _Span = field(default_factory=_Span)
    _fail: _Span = field(default_factory=_Span)
    _queue: _Span = field(default_factory=_Span)
    _infer: _Span = field(default_factory=_Span)
    _batches: dict[int, _Span] = field(default_factory=lambda: defaultdict(_Span))
    _last_ms: int = 0

    def note_batch(self, queue_s: list[float], infer_s: float) -> None:
        """Count a batch: how long each of its clips waited, and how long the network took."""
        size = len(queue_s)
        self._success.add(sum(queue_s) + infer_s * size, size)
        self._queue.add(sum(queue_s), size)
        self._infer.add(infer_s * size, size)
        self._batches[size].add(infer_s)
        self._last_ms = int(time.time() * 1000)

    def note_failure(self, num_clips: int, seconds: float) -> None:
        """Count clips whose batch the runtime could not compute."""
        self._fail.add(seconds * num_clips, num_clips)

    def summary(self) -> dict[str, float | None]:
        """Return the numbers that a person asks for first: clips, batches, and what a clip took and waited."""
        return {
            "clips": self._success.count,
            "batches": sum(span.count for span in self._batches.values()),
            "mean_ms": self._infer.mean_ms,
            "queue_mean_ms": self._queue.mean_ms,
        }

    def report(self, name: str, version: str) -> dict[str, Any]:
        """Return the entry of one model in `model_stats`; durations are sums, in nanoseconds."""
        spans = {"success": self._success, "fail": self._fail, "queue": self._queue, "compute_infer": self._infer}
        batches = ({"batch_size": size, "compute_infer": span.report()} for size, span in sorted(self._batches.items()))
        return {
            "name": name,
            "version": version,
            "last_inference": self._last_ms,
            "inference_count": self._success.count,
            "execution_count": sum(span.count for span in self._batches.values()),
            "inference_stats": {name: span.report() for name, span in spans.items()},
            "batch_stats": list(batches),
        }
