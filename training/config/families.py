"""Which family of networks a configuration names: one of ours, or somebody else's by its import path.

It is imported when it is named, so that a configuration can be read before the networks are there.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from rgbd.errors import ConfigError

DEFAULT_FAMILY = "dsn"  # CVPR 2022
_FOLDERS = sorted(path.parent.name for path in (Path(__file__).parents[1] / "networks").glob("*/family.py"))
FAMILIES = {name: f"training.networks.{name}.family:FAMILY" for name in _FOLDERS}

_KEYS = {"network": "name", "loss": "label_smoothing", "schedule": "epochs", "legacy": "warmup"}  # that each one has


@dataclass(frozen=True)
class Sections:
    """The types of the sections of the configuration that belong to a family.

    Each extends the one in `training.config.schema`; raises `TypeError` where one does not.
    """

    network: type[BaseModel]
    loss: type[BaseModel]
    schedule: type[BaseModel]
    legacy: type[BaseModel]

    def __post_init__(self) -> None:
        for section, key in _KEYS.items():
            kind = getattr(self, section)
            if not (isinstance(kind, type) and issubclass(kind, BaseModel) and key in kind.model_fields):
                wanted = f"{section.title()}Config"
                raise TypeError(f"sections: {section} must extend training.config.schema.{wanted}, and is {kind!r}")


def find_family(name: object) -> Any:
    """Return the family that `network.name` names: one of ours, or `package.module:NAME`.

    Raises `ConfigError` where there is none.
    """
    if not isinstance(name, str):
        raise ConfigError(f"{name!r} is no name")
    module, colon, attribute = FAMILIES.get(name, name).partition(":")
    if not colon:
        ours = ", ".join(FAMILIES)
        raise ConfigError(f"{name!r} is no family of networks; choose {ours}, or name yours: package.module:FAMILY")
    try:
        family = getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever somebody else's module does
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{name!r} cannot be imported ({reason}); is its package installed, and spelt so?") from error
    if not isinstance(getattr(family, "sections", None), Sections):
        raise ConfigError(
            f"{name!r} is no family of networks: it has no `sections`; see docs/training.md, 'A family of your own'"
        )
    return family


def sections_of(network: Any) -> Sections:
    """Return the types of the sections for what the section `network` says, read or not; raises `ConfigError`."""
    values = network.model_dump() if isinstance(network, BaseModel) else network
    name = values.get("name", DEFAULT_FAMILY) if isinstance(values, dict) else DEFAULT_FAMILY
    return cast(Sections, find_family(name).sections)
