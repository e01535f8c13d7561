"""Evaluation: every clip of a split exactly once, over any number of processes."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from training.data import Loader
from training.distributed import Process, gather
from training.models.fusion import FusionNet
from training.models.unimodal import UnimodalNet


@dataclass(frozen=True)
class Evaluation:
    """Scores of all clips of a split, in its order: float32 [num_clips, N] by head, and int64 labels [num_clips]."""

    scores: dict[str, NDArray[np.float32]]
    labels: NDArray[np.int64]

    def accuracy(self, head: str = "logits") -> float:
        """Return the share of clips whose highest score in `head` is their label's, in [0, 1]."""
        return float((self.scores[head].argmax(1) == self.labels).mean())

    def metrics(self) -> dict[str, float]:
        """Return the accuracy of every head as `top1` (the answer) and `top1_<head>`."""
        return {"top1" + head.removeprefix("logits"): self.accuracy(head) for head in self.scores}


@torch.no_grad()
def evaluate(network: UnimodalNet | FusionNet, loader: Loader, process: Process) -> Evaluation:
    """Return the scores of the loader's whole split; every process gets the same result."""
    network.eval()
    scores: dict[int, dict[str, NDArray[np.float32]]] = {}
    for batch in loader.epoch(0):
        output = network(*(clip.to(process.device) for clip in batch.clips))
        heads = {name: head.float().cpu().numpy() for name, head in output.heads().items()}
        for row, index in enumerate(batch.indices.tolist()):
            scores[index] = {name: head[row] for name, head in heads.items()}
    everything: dict[int, dict[str, NDArray[np.float32]]] = {}
    for share in gather(scores, process):
        everything |= share
    entries = loader.dataset.entries
    assert everything.keys() == set(range(len(entries)))  # each clip once: the shares cover the split
    heads = {name: np.stack([everything[i][name] for i in range(len(entries))]) for name in everything[0]}
    return Evaluation(heads, np.array([entry.label for entry in entries], np.int64))
