"""`python -m training.translate WORDS > OURS.yml`: a published command line of UMDR -> a configuration of ours."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rgbd.errors import ConfigError, reason_of
from rgbd.terminal import program, run_command, say_once
from training.config.published_umdr import is_published, translate

_SCRIPTS = ("train.py", "train_fusion.py")


def main() -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args()
    ours, notes = translate_command(options.words)
    for note in notes:
        say_once(note)
    print(yaml.safe_dump(ours, sort_keys=False), end="")
    return 0


def translate_command(words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration that a published command line stands for, and what of it means nothing.

    What comes before the script, such as torch.distributed.launch, is left out. Raises `ConfigError` for a command line
    without a script or without --config, and for what has no counterpart.
    """
    scripts = [place for place, word in enumerate(words) if word.rpartition("/")[2] in _SCRIPTS]
    if not scripts:
        raise ConfigError(f"expected a command line of {' or '.join(_SCRIPTS)}; give all of it, as it was published")
    flags = words[scripts[0] + 1 :]
    configs = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    configs.add_argument("--config")
    file = configs.parse_known_args(flags)[0].config
    if file is None:
        raise ConfigError("--config is missing, which says what the data set is")
    ours, notes = translate(_read(Path(file)), flags)
    if words[scripts[0]].endswith("train_fusion.py") and ours["modality"] != "rgbd":
        raise ConfigError("--FusionNet is missing, which says what streams train_fusion.py begins with")
    return ours, notes


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({reason_of(error)}); check --config") from error
    if not isinstance(values, dict) or not is_published(values):
        raise ConfigError(f"{path}: is no published file of UMDR, such as its config/NTU.yml; check --config")
    return values


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("training.translate"), description=__doc__)
    parser.add_argument(
        "words",
        nargs=argparse.REMAINDER,
        help="as published: ... train.py --config config/NTU.yml --sample-duration 32",
    )
    return parser


if __name__ == "__main__":
    run_command(main)
