"""Bundles of earlier schemas, as the present one says it; nothing else knows what was different then.

Schema 2 told by an output's name alone whose head it is. Up to 3.0 an artifact had the speed of one device. Up to
3.1 no motion was unknown. Up to 3.2 there were no graphs for streams without end.
"""

from typing import Any

from rgbd.types import Stream

OLDEST_SCHEMA = 2
"""Of a bundle that is read."""

_ANSWER = "logits"
_STREAMS: dict[str, Stream] = {"logits_rgb": "rgb", "logits_depth": "depth"}
_USUAL_DEVICE = "cpu"  # of a speed that names none


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Return what a bundle.json of schema 2 or 3.0 says as one of 3.3 does; what is wrong in it stays as it is."""
    if content.get("schema_version") == 2:
        content = {**content, "schema_version": 3, "schema_minor": 0, "outputs": _outputs(content.get("outputs"))}
    if content.get("schema_version") == 3 and content.get("schema_minor") == 0:
        content = {**content, "schema_minor": 1, "artifacts": _artifacts(content.get("artifacts"))}
    if content.get("schema_version") == 3 and content.get("schema_minor") == 1:
        content = {**content, "schema_minor": 2}  # `rejection` may be absent
    if content.get("schema_version") == 3 and content.get("schema_minor") == 2:
        content = {**content, "schema_minor": 3}  # `live` and `clip_s` may be absent
    return content


def _outputs(outputs: Any) -> Any:
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        return outputs
    answer_first = sorted(outputs, key=lambda output: output.get("name") != _ANSWER)
    return [{**output, "stream": _STREAMS.get(str(output.get("name")))} for output in answer_first]


def _artifacts(artifacts: Any) -> Any:
    if not isinstance(artifacts, list):
        return artifacts
    return [_with_speeds(artifact) if isinstance(artifact, dict) else artifact for artifact in artifacts]


def _with_speeds(artifact: dict[str, Any]) -> dict[str, Any]:
    """Return an artifact with its speed by the device."""
    artifact = dict(artifact)
    speed = artifact.pop("speed", None)
    if speed is None:
        return artifact
    if not isinstance(speed, dict):
        return {**artifact, "speeds": speed}
    measured = {name: value for name, value in speed.items() if name != "device"}
    return {**artifact, "speeds": {str(speed.get("device", _USUAL_DEVICE)): measured}}
