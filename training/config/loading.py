"""A configuration file -> a checked `TrainingConfig`, with overrides from the command line; and back to YAML."""

from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from rgbd.errors import ConfigError, reason_of
from rgbd.nearest_name import nearest_name
from rgbd.terminal import say_once
from training.config.compatibility import translate_earlier
from training.config.families import Sections, sections_of
from training.config.published import is_published, translate
from training.config.schema import TrainingConfig


class _EachKeyOnce(yaml.SafeLoader):
    """Refuses a key that is written twice, of which YAML's own way takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping that a node is; raises `yaml.YAMLError` for a key that is there already."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"{key.value!r} is written twice; keep one of both"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_FOLLOWS = "default_factory_not_called"  # a default that follows from a section which is wrong, and told of


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Return the configuration in the YAML file `path`, with `section.key=value` overrides on top.

    The reference's own files are read as well, and so are words of earlier versions, with a note on standard error.
    Raises `ConfigError` that names the file, every wrong key, what is wrong with it, and the nearest known key for an
    unknown one.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _EachKeyOnce)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = f"cannot be read as YAML ({reason_of(error)})"
        raise ConfigError(f"{path}: {reason}; check the path and the file") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(values).__name__}")
    try:
        values, notes = (translate(values), []) if is_published(values) else translate_earlier(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    for note in notes:
        say_once(f"{path}: {note}")
    values = _override(values, overrides)
    try:
        sections = sections_of(values.get("network"))
    except ConfigError as error:
        raise ConfigError(f"{path}: network.name: {error}") from error
    try:
        return TrainingConfig.model_validate(values)
    except ValidationError as error:
        problems = [dict(problem) for problem in error.errors() if problem["type"] != _FOLLOWS]
        raise ConfigError(f"{path}: " + "; ".join(_explain(problem, sections) for problem in problems)) from error


def config_yaml(config: TrainingConfig, changes: Sequence[str] = ()) -> str:
    """Return a configuration as YAML with every key, each explained; `load_config` gives the same back.

    `changes` of a run's settings, which the configuration holds as they are now, are comments at its beginning.
    """
    lines = [*(f"# changed {change}" for change in changes), *_commented(config, indent="")]
    return "\n".join(lines) + "\n"


def _commented(model: BaseModel, indent: str) -> list[str]:
    lines = []
    values = model.model_dump(mode="json")
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            lines += [_explained(f"{indent}{name}:", field.description), *_commented(value, indent + "  ")]
            continue
        text = yaml.safe_dump(values[name], default_flow_style=True, width=1000).removesuffix("\n...\n").strip()
        lines.append(_explained(f"{indent}{name}: {text}", field.description))
    return lines


def _explained(line: str, description: str | None) -> str:
    return f"{line:<40}  # {description}" if description else line


def _override(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    # What --set says wins, in either word.
    of_file = {"modality": values.pop("modality")} if "modality" in values else {}
    for override in overrides:
        _apply(values, override)
    try:
        values, notes = translate_earlier(values)
    except ConfigError as error:
        raise ConfigError(f"--set: {error}") from error
    for note in notes:
        say_once(f"--set: {note}")
    return of_file | values


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: expected section.key=value, such as --set schedule.epochs=10")
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {section!r} is not a section")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: {text!r} is not a YAML value; quote it") from error


def _explain(problem: dict[str, Any], sections: Sections) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return str(message)  # it concerns several keys, and names them
    *place, key = [str(part) for part in problem["loc"]]
    if problem["type"] == "missing":
        return f"{'.'.join([*place, key])}: is missing"
    if problem["type"] != "extra_forbidden":
        return f"{'.'.join([*place, key])}: {message} (got {problem['input']!r})"
    known = _known_keys(place, sections)
    nearest = nearest_name(key, known)
    hint = f"did you mean {nearest!r}?" if nearest else f"known keys are: {', '.join(known)}"
    return f"{'.'.join([*place, key])}: is an unknown key; {hint}"


def _known_keys(place: Sequence[str], sections: Sections) -> list[str]:
    """Return the keys of a section, which may be one of the family's `sections`."""
    model: Any = TrainingConfig
    of_family = vars(sections)
    for part in place:
        model = of_family[part] if part in of_family else model.model_fields[part].annotation
        if isinstance(model, UnionType):  # an optional section
            model = get_args(model)[0]
    return list(model.model_fields)
