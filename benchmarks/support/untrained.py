"""Checkpoints of networks with random weights: how fast they are does not depend on what they have learnt."""

from pathlib import Path

import torch

from training.config.schema import TrainingConfig
from training.networks.family import family_of
from training.run.checkpoint import Checkpoint, Position, build_network, save_checkpoint


def untrained(config: TrainingConfig, names: tuple[str, ...], path: Path) -> Checkpoint:
    """Write and return a checkpoint for these classes; guidance is at work in them."""
    torch.manual_seed(0)
    state = build_network(config, len(names)).state_dict()
    for name, value in state.items():
        if name.endswith("guidance_weights"):
            value.copy_(torch.tensor([0.3, 0.4]))
    made = Checkpoint(
        config=config,
        class_names=names,
        position=Position(),
        epoch_state=family_of(config).epoch_state(config, config.schedule.epochs),
        metrics={},
        model=state,
    )
    save_checkpoint(path, made)
    return made
