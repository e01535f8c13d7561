"""What the service counts, for Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serve.errors import all_errors
from serve.schemas import ModelReply

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 45, 60, 120, 300)


class _Models(Collector):
    """Which models are ready, and on what they run, as it is when somebody asks."""

    def __init__(self, ready: Callable[[], list[ModelReply]]) -> None:
        self._ready = ready

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["model", "version", "modality", "runtime", "device", "precision", "service_version"]
        family = GaugeMetricFamily("rgbd_motion_model_info", "What is served, and what runs it.", labels=labels)
        for model in self._ready():
            family.add_metric([*map(str, model.model_dump().values()), version("rgbd-motion")], 1)
        yield family


class Metrics:
    """The numbers of one service process; durations are in seconds."""

    def __init__(self, ready: Callable[[], list[ModelReply]], max_batch: int) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Models(ready))
        self._stages = Histogram(
            "rgbd_motion_stage_seconds",
            "Time of answers: queue, inference, total; where files were sent, decode and transform, too.",
            ["model", "stage"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._batches = Histogram(
            "rgbd_motion_batch_clips",
            "Clips in one run of the network.",
            ["model"],
            buckets=range(1, max_batch + 1),
            registry=self._registry,
        )
        self._refusals = Counter(
            "rgbd_motion_refusals", "Requests that were refused, by their error.", ["error"], registry=self._registry
        )
        self._frames = Counter(
            "rgbd_motion_live_frames",
            "Frames of live streams: looked at, late, or without the other stream's.",
            ["fate"],
            registry=self._registry,
        )
        self._lags = Histogram(
            "rgbd_motion_live_lag_seconds",
            "From the last frame that an answer to a live stream rests on to the answer.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._failures = Counter(
            "rgbd_motion_worker_failures",
            "Failures of what works behind the requests.",
            ["worker"],
            registry=self._registry,
        )
        # What begins at nothing rises with the first of its kind, which `increase` would not see of what begins at 1.
        for kind in all_errors():
            self._refusals.labels(kind.word)
        self.count_frames(seen=0, late=0, unpaired=0)

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Report a value as it is whenever somebody asks."""
        Gauge(f"rgbd_motion_{name}", meaning, registry=self._registry).set_function(value)

    def count_answer(self, model: str, stages_ms: Mapping[str, float]) -> None:
        """Count an answer, and the time of each stage that it went through."""
        for stage, spent_ms in stages_ms.items():
            self._stages.labels(model, {"preprocess": "transform"}.get(stage, stage)).observe(spent_ms / 1000)

    def count_batch(self, model: str, num_clips: int) -> None:
        """Count a run of the network."""
        self._batches.labels(model).observe(num_clips)

    def count_frames(self, **fates: int) -> None:
        """Count frames of a live stream by what became of them."""
        for fate, num_frames in fates.items():
            self._frames.labels(fate).inc(num_frames)

    def observe_lag(self, seconds: float) -> None:
        """Count how long an answer to a live stream took."""
        self._lags.observe(seconds)

    def expect_failures(self, workers: Iterable[str]) -> None:
        """Name what works behind the requests: nothing of it has failed yet."""
        for worker in workers:
            self._failures.labels(worker)

    def count_failure(self, worker: str) -> None:
        """Count a failure of what works behind the requests."""
        self._failures.labels(worker).inc()

    def count_refusal(self, error: str) -> None:
        """Count a request that was not answered, by the word of its problem."""
        self._refusals.labels(error).inc()

    @property
    def refusals(self) -> dict[str, int]:
        """How many requests were refused, by the word of their problem."""
        samples = (sample for family in self._refusals.collect() for sample in family.samples)
        return {s.labels["error"]: int(s.value) for s in samples if s.name.endswith("_total") and s.value}

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)
