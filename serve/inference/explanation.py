"""Why an answer is what it is: what becomes of it when parts of the clip are hidden.

It works for every network and every runtime, because it only asks: 25 places and 8 moments, a run of the network each.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serve.concurrency.task_group import gather_or_cancel
from serve.inference.batching import Clips

_GRID = 6  # cells across the clip, and down
_PATCH = 2  # cells across what is hidden at once: patches overlap, so that no motion is cut by the border of one alone
_MOMENTS = 8
NUM_CLIPS = (_GRID - _PATCH + 1) ** 2 + _MOMENTS  # that the network is asked for


@dataclass(frozen=True)
class Explanation:
    """By how many logits a class leads the best of the others, and by how much less with a part of the clip hidden.

    `regions` is float64 [6, 6], places by row and column; `moments` [8], from first to last.
    """

    lead: float
    regions: NDArray[np.float64]
    moments: NDArray[np.float64]


async def explain(
    clips: Clips,
    logits: NDArray[np.float32],
    index: int,
    infer: Callable[[Clips], Coroutine[Any, Any, NDArray[np.float32]]],
    at_once: int,
) -> Explanation:
    """Return why a clip's `logits` [N] speak for class `index`; at most `at_once` clips are made and wait at a time."""
    room = asyncio.Semaphore(at_once)

    async def lead_without(hide: Callable[[Clips], Clips]) -> float:
        async with room:
            return _lead(await infer(await asyncio.to_thread(hide, clips)), index)

    corners = list(_corners())
    hiding = [partial(_without_place, row=row, column=column) for row, column in corners]
    hiding += [partial(_without_moment, moment=moment) for moment in range(_MOMENTS)]
    lead = _lead(logits, index)
    falls = lead - np.array(await gather_or_cancel(map(lead_without, hiding)))
    return Explanation(lead, _spread(corners, falls[: len(corners)]), falls[len(corners) :])


def _lead(logits: NDArray[np.float32], index: int) -> float:
    return float(logits[index]) - float(np.delete(logits, index).max())


def _corners() -> Iterator[tuple[int, int]]:
    """Yield the (row, column) of the first cell of each patch."""
    steps = range(_GRID - _PATCH + 1)
    return ((row, column) for row in steps for column in steps)


def _spread(corners: list[tuple[int, int]], falls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean fall of the patches that cover each cell."""
    total, count = np.zeros((_GRID, _GRID)), np.zeros((_GRID, _GRID))
    for (row, column), fall in zip(corners, falls, strict=True):
        cells = np.s_[row : row + _PATCH, column : column + _PATCH]
        total[cells] += fall
        count[cells] += 1
    return total / count


def _without_place(clips: Clips, row: int, column: int) -> Clips:
    """Return the clip with a patch of every frame in the clip's mean colour, in all streams: nothing moves there."""
    hidden = {}
    for stream, clip in clips.items():
        height, width = clip.shape[1:3]
        rows = slice(row * height // _GRID, (row + _PATCH) * height // _GRID)
        columns = slice(column * width // _GRID, (column + _PATCH) * width // _GRID)
        hidden[stream] = clip.copy()
        hidden[stream][:, rows, columns] = clip.mean((0, 1, 2)).astype(np.uint8)
    return hidden


def _without_moment(clips: Clips, moment: int) -> Clips:
    """Return the clip standing still for an eighth of its time, in all streams."""
    hidden = {}
    for stream, clip in clips.items():
        first = moment * len(clip) // _MOMENTS
        last = max(first + 1, (moment + 1) * len(clip) // _MOMENTS)
        hidden[stream] = clip.copy()
        hidden[stream][first:last] = clip[first - 1] if first else clip[last % len(clip)]
    return hidden
