"""Who is told of each batch: the service's metrics, and the model's own statistics and latency."""

from collections.abc import Callable

from serve.inference.served_model import ServedModel


class BatchObserver:
    """Takes note of batches; `count_batch` is told the model's name and the number of clips of those computed."""

    def __init__(self, count_batch: Callable[[str, int], None]) -> None:
        self._count_batch = count_batch

    def computed(self, model: ServedModel, queue_s: list[float], infer_s: float) -> None:
        """Note how long each clip of a batch waited, and how long the network took."""
        self._count_batch(model.name, len(queue_s))
        model.latency.note(len(queue_s), infer_s)
        model.statistics.note_batch(queue_s, infer_s)

    def failed(self, model: ServedModel, num_clips: int, infer_s: float) -> None:
        """Note a batch that could not be computed."""
        model.statistics.note_failure(num_clips, infer_s)
