"""Bundles of earlier schemas, as the present one says it; nothing else knows what was different then.

Schema 2 told by an output's name alone whose head it is.
"""

from typing import Any

from rgbd.types import Stream

OLDEST_SCHEMA = 2
"""Of a bundle that is read."""

_ANSWER = "logits"
_STREAMS: dict[str, Stream] = {"logits_rgb": "rgb", "logits_depth": "depth"}


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a bundle.json of schema 2 says as one of schema 3 does; what is wrong in it stays as it is."""
    return {**content, "schema_version": 3, "outputs": _outputs(content.get("outputs"))}


def _outputs(outputs: Any) -> Any:
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        return outputs
    answer_first = sorted(outputs, key=lambda output: output.get("name") != _ANSWER)
    return [{**output, "stream": _STREAMS.get(str(output.get("name")))} for output in answer_first]
