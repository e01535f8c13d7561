"""Words that configurations had in earlier versions -> those of today."""

from collections.abc import Mapping
from typing import Any, get_args

from rgbd.errors import ConfigError
from rgbd.types import Modality
from training.config.published_values import MODALITIES


def translate_earlier(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a configuration's values in the words of today, and a note for each earlier word that names the new one.

    Raises `ConfigError` where the earlier word says nothing known, or something else than the new one beside it.
    """
    today = dict(values)
    if "type" not in today:
        return today, []
    code = today.pop("type")
    modality = MODALITIES.get(code) if isinstance(code, str) else None
    if modality is None:
        raise ConfigError(f"type: {code!r} is unknown; set modality to one of {', '.join(get_args(Modality))} instead")
    if today.setdefault("modality", modality) != modality:
        raise ConfigError(
            f"type: {code} means modality: {modality}, and modality is {today['modality']!r}; leave out type"
        )
    return today, [f"type: {code} is now modality: {modality}"]
