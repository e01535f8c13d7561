"""Networks for streams without end, fed as a stream feeds them."""

import torch

from training.networks.live import LiveForm


def in_portions(form: LiveForm, clips: torch.Tensor, stream: str, at_a_time: int) -> torch.Tensor:
    """Return the features [B, T, dim] of whole clips, so many frames at a time."""
    network, padding = form.features[stream], (*(0,) * 6, form.history, form.lag)  # type: ignore[index]
    frames = torch.nn.functional.pad(clips, padding, value=77)  # what is none may hold anything
    seen = torch.nn.functional.pad(torch.ones(clips.shape[:2]), padding[-2:])
    states = tuple(torch.zeros(len(clips), *shape) for shape in form.state_shapes)
    found = []
    for first in range(0, clips.shape[1] + form.lag, at_a_time):
        end = first + form.history + at_a_time
        features, *states = network(frames[:, first:end], seen[:, first:end], *states)
        found.append(features)
    return torch.cat(found, 1)[:, form.lag :]
