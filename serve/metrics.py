"""What the service counts, for Prometheus."""

from collections.abc import Callable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from serve.schemas import ModelReply, Timing

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The numbers of one service process; durations are in seconds."""

    def __init__(self, model: ModelReply, max_batch: int) -> None:
        self._registry = CollectorRegistry()
        self._stages = Histogram(
            "rgbd_motion_stage_seconds",
            "Time of answered clips: decode, transform, queue, inference, total.",
            ["stage"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._batches = Histogram(
            "rgbd_motion_batch_clips",
            "Clips in one run of the network.",
            buckets=range(1, max_batch + 1),
            registry=self._registry,
        )
        self._refusals = Counter(
            "rgbd_motion_refusals", "Requests that were refused, by their error.", ["error"], registry=self._registry
        )
        described = {**model.model_dump(), "service_version": version("rgbd-motion")}
        Info("rgbd_motion_model", "What is served, and what runs it.", registry=self._registry).info(
            {name: str(value) for name, value in described.items()}
        )

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Report a value as it is whenever somebody asks."""
        Gauge(f"rgbd_motion_{name}", meaning, registry=self._registry).set_function(value)

    def count_answer(self, timing: Timing) -> None:
        """Count an answered clip."""
        for stage, spent_ms in timing.model_dump().items():
            self._stages.labels({"preprocess": "transform"}.get(stage, stage)).observe(spent_ms / 1000)

    def count_batch(self, num_clips: int) -> None:
        """Count a run of the network."""
        self._batches.observe(num_clips)

    def count_refusal(self, error: str) -> None:
        """Count a request that was not answered, by the word of its problem."""
        self._refusals.labels(error).inc()

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
