"""`python -m tests.support.mutated_checkpoints CHECKPOINT`: loads it with bytes changed at random, both ways there are.

In a process of its own: what torch makes of such bytes can crash the process later on, wherever that is then.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rgbd.errors import UserError
from training.config.schema import TrainingConfig
from training.import_weights import import_file
from training.run.checkpoint import load_checkpoint

NUM_MUTATIONS = 120

_LOADS: tuple[Callable[[Path], object], ...] = (
    load_checkpoint,
    lambda path: import_file(path, TrainingConfig(modality="rgb")),
)


def num_refused(whole: Path, load: Callable[[Path], object]) -> int:
    """Return how many mutated files are refused with an error that names them; any other error is raised."""
    content, rng = bytearray(whole.read_bytes()), np.random.default_rng(0)
    path, refused = whole.with_name("mutated.pt"), 0
    for _ in range(NUM_MUTATIONS):
        mutated = content.copy()
        # What torch pickled stands first and the archive's list last; between are the weights.
        for place in rng.choice([*range(2500), *range(len(content) - 1500, len(content))], rng.integers(1, 9)):
            mutated[place] = rng.integers(256)
        path.write_bytes(mutated)
        try:
            load(path)
        except UserError as error:
            refused += 1
            assert str(path) in str(error) or "network.name" in str(error)
    return refused


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # torch's, of types that it makes up from such bytes
    print(*(num_refused(Path(sys.argv[1]), load) for load in _LOADS), flush=True)
    os._exit(0)
