"""The sections there are, the most valuable first."""

from dataclasses import dataclass

from rgbd.errors import UserError


@dataclass(frozen=True)
class Section:
    """A module whose `check(device, folder)` yields rows as they are known, and the seconds that it may take."""

    name: str
    module: str
    limit_s: float


def _section(name: str, limit_s: float) -> Section:
    return Section(name, f"benchmarks.gpu_check.{name}", limit_s)


SECTIONS = {
    section.name: section
    for section in (
        _section("goldens", 90),
        _section("numbers", 40),
        _section("runtimes", 110),
        _section("steps", 60),
        _section("service", 45),
        _section("ddp", 25),
        _section("resume", 40),
        _section("second_family", 50),
        _section("compiled", 90),  # last: it may use what the others have left
    )
}


def chosen(names: str) -> list[Section]:
    """Return the sections that a text names, in its order; raises `UserError` for one that there is not."""
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in SECTIONS]:
        raise UserError(f"--sections {', '.join(unknown)}: give some of {', '.join(SECTIONS)}")
    return [SECTIONS[name] for name in dict.fromkeys(wanted)]
