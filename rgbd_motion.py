"""`rgbd-motion COMMAND`: every command of the project under one name, each as `python -m` runs it.

It begins without anything that is not in the standard library, and imports a package when its command is asked for.
"""

import difflib
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NoReturn

NAME = "rgbd-motion"
CONFIGS = Path(sys.prefix, "share", NAME, "configs")
"""Where the wheel puts the published settings; [tool.setuptools.data-files] of pyproject.toml says the same."""


class Command(NamedTuple):  # a dataclass would take longer to import than all else here
    """What `module` does, which has a `main` that reads its words from `sys.argv`."""

    module: str
    help: str

    @property
    def package(self) -> str:
        """The package that the module is of."""
        return self.module.partition(".")[0]


COMMANDS = {
    "recording": Command("rgbd.__main__", "inspect, convert or annotate a recording"),
    "preprocess ntu": Command("preprocess.ntu.__main__", "NTU RGB+D for training"),
    "preprocess nvgesture": Command("preprocess.nvgesture", "NvGesture"),
    "preprocess isogd": Command("preprocess.isogd", "IsoGD"),
    "preprocess thu_read": Command("preprocess.thu_read", "THU-READ"),
    "preprocess jester": Command("preprocess.jester", "Jester"),
    "preprocess utd_mhad": Command("preprocess.utd_mhad", "UTD-MHAD"),
    "preprocess msr_action3d": Command("preprocess.msr_action3d", "MSR Action3D"),
    "preprocess custom": Command("preprocess.custom.__main__", "recordings of your own"),
    "preprocess report": Command("preprocess.report.__main__", "a page about a processed data set"),
    "preprocess convert": Command("preprocess.convert", "folders to tar files, or back"),
    "preprocess synthetic": Command("preprocess.synthetic.__main__", "render recordings to try things with"),
    "train": Command("training.main", "train a stream, or the fusion of two"),
    "train report": Command("training.report.__main__", "a page about a training run"),
    "evaluate": Command("training.evaluate", "evaluate a checkpoint on every clip"),
    "import-weights": Command("training.import_weights", "the reference's weight files, and back"),
    "translate": Command("training.translate", "published command lines of UMDR"),
    "export": Command("export.__main__", "make a bundle, inspect, verify or sign one"),
    "serve": Command("serve.__main__", "answer over HTTP and WebSocket"),
    "serve keys": Command("serve.keys", "make a key of the service"),
    "clients": Command("clients.__main__", "ask a service: predict, timeline, live"),
}

# What installs a package that is not called as it is.
_EXTRAS = {"rgbd": "media", "training": "train", "clients": "client"}
_HELP = ("-h", "--help")
_NUM_WORDS = 2  # of the longest names


def main() -> NoReturn:
    """Run the command that the first words name, and exit with its code; 2 where they name none."""
    words = sys.argv[1:]
    if not words or words[0] in _HELP:
        _show(_help(COMMANDS))
    if words == ["--version"]:
        _show(f"{NAME} {_version()}")
    for number in range(_NUM_WORDS, 0, -1):
        if command := COMMANDS.get(name := " ".join(words[:number])):
            _run(name, command, words[number:])
    group = {name: command for name, command in COMMANDS.items() if name.startswith(f"{words[0]} ")}
    if group and words[1:2] and words[1] in _HELP:
        _show(_help(group))
    _refuse(_unknown(words[:_NUM_WORDS], group))


def _run(name: str, command: Command, words: list[str]) -> NoReturn:
    # argparse names a command by this, and `rgbd.terminal.program` those that name themselves.
    sys.argv = [f"{NAME} {name}", *words]
    try:
        module = import_module(command.module)
        run_command = import_module("rgbd.terminal").run_command if command.package != "clients" else None
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(command.package, command.package)
        _refuse(f"{name} needs {error.name}; install the '{extra}' extra: pip install '{NAME}[{extra}]'")
    if run_command is None:  # clients import nothing of ours, and end as they say
        sys.exit(module.main())
    run_command(module.main)
    raise AssertionError("run_command exits")


def _help(commands: dict[str, Command]) -> str:
    width = max(map(len, commands)) + 2
    lines = [f"  {name:{width}}{command.help}" for name, command in commands.items()]
    text = f"usage: {NAME} COMMAND ...\n\nRecognise human motion in RGB-D recordings.\n\n"
    text += "commands:\n" + "\n".join(lines)
    text += f"\n\n{NAME} COMMAND --help says more; each is a module, too, for `python -m`."
    return text + (f"\nPublished settings: {CONFIGS}" if CONFIGS.is_dir() else "")


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415  it takes longer than all else here

    return version(NAME)


def _unknown(words: list[str], group: dict[str, Command]) -> str:
    """Return what is wrong with words that name no command, and which they may have meant."""
    if group and len(words) == 1:
        return f"{words[0]} needs one of: {', '.join(_last(name) for name in group)}"
    given, *_ = words[1:] if group else words
    meant = [name for name in group or COMMANDS if difflib.get_close_matches(given, (name, _last(name)))]
    remedy = f"did you mean {' or '.join(meant)}?" if meant else f"{NAME} --help lists them"
    return f"{' '.join(words) if group else given!r} is no command; {remedy}"


def _last(name: str) -> str:
    return name.rpartition(" ")[2]


def _show(text: str) -> NoReturn:
    print(text)
    sys.exit(0)


def _refuse(reason: str) -> NoReturn:
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
