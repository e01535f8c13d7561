"""Draws docs/images/architecture.svg from the import contracts: `python docs/architecture.py`.

Boxes are the packages, with the first sentence of their docstrings; chips are their folders, in the order of their
layers; arrows are the imports that pyproject.toml allows. A test compares the picture with what this would draw.
"""

import argparse
import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

# Where each package stands: its row, and from where to where in pixels. What imports stands above what it imports.
PLACES = {
    "clients": (0, 20, 320),
    "serve": (0, 350, 980),
    "export": (1, 350, 830),
    "preprocess": (2, 20, 320),
    "training": (2, 350, 680),
    "rgbd": (3, 20, 980),
}
ROW_TOPS, BOX_HEIGHT = (20, 195, 370, 545), 135
CHIP_HEIGHT, CHIP_GAP, CHIP_LETTER, TEXT_LETTER, MARGIN = 24, 6, 7.3, 6.6, 14


@dataclass(frozen=True)
class Chip:
    """A folder of a package; the pixel of its left upper corner, and its width."""

    name: str
    x: float
    y: float
    width: float
    needs_torch: bool


@dataclass(frozen=True)
class Box:
    """A package."""

    name: str
    left: int
    top: int
    width: int
    lines: list[str]
    chips: list[Chip]


@dataclass(frozen=True)
class Arrow:
    """An import that is allowed, straight down; of a package's parts only, where `parts` names them."""

    x: int
    start: int
    stop: int
    parts: str


class Contracts:
    """What pyproject.toml says of imports."""

    def __init__(self) -> None:
        self._all = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    def imports(self) -> dict[tuple[str, str], set[str]]:
        """Return {(package, what it imports): the folders of that, or none where it is all of it}."""
        found: dict[tuple[str, str], set[str]] = {}
        for contract in self._of_type("protected"):
            for module in contract["protected_modules"]:
                found |= {(importer, module): set() for importer in contract["allowed_importers"]}
            for exception in contract.get("ignore_imports", ()):
                importer, _, imported = re.sub(r"(\.\*+)", "", exception).partition(" -> ")
                package, _, folder = imported.partition(".")
                found.setdefault((importer, package), set()).add(folder)
        return found

    def layers(self, package: str) -> list[str]:
        """Return the modules of a package from the top layer down; empty where it has no layers."""
        for contract in self._of_type("layers"):
            if contract["containers"] == [package]:
                return [name.strip() for layer in contract["layers"] for name in layer.split("|")]
        return []

    def needs_torch(self, module: str) -> bool:
        """Return whether a package or one of its folders may import torch."""
        without = {
            name
            for contract in self._of_type("forbidden")
            if contract["forbidden_modules"] == ["torch"]
            for name in contract["source_modules"]
        }
        return not {module, module.partition(".")[0]} & without

    def _of_type(self, type_: str) -> Iterator[dict[str, list[str]]]:
        return (contract for contract in self._all if contract["type"] == type_)


def draw() -> str:
    """Return the picture, an SVG file."""
    contracts = Contracts()
    boxes = [_box(name, contracts) for name in PLACES]
    arrows = [_arrow(*edge, sorted(parts)) for edge, parts in contracts.imports().items()]
    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    return templates.get_template("architecture.svg.jinja").render(
        boxes=boxes, arrows=arrows, box_height=BOX_HEIGHT, chip_height=CHIP_HEIGHT, http=_http_arrow()
    )


def _box(name: str, contracts: Contracts) -> Box:
    row, left, right = PLACES[name]
    needs_torch = contracts.needs_torch(name)
    text = (ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text())) or "").partition("\n\n")[0]
    lines = textwrap.wrap(text.replace("`", ""), int((right - left - 2 * MARGIN) / TEXT_LETTER))
    x, y = float(left + MARGIN), ROW_TOPS[row] + 42 + 17 * len(lines)
    chips = []
    for folder in _folders(name, contracts):
        width = len(folder) * CHIP_LETTER + 14
        if x + width > right - MARGIN:
            x, y = left + MARGIN, y + CHIP_HEIGHT + CHIP_GAP
        chips.append(Chip(folder, x, y, width, needs_torch and contracts.needs_torch(f"{name}.{folder}")))
        x += width + CHIP_GAP
    return Box(name, left, ROW_TOPS[row], right - left, lines, chips)


def _folders(package: str, contracts: Contracts) -> list[str]:
    layers = contracts.layers(package)
    found = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    return sorted(found, key=lambda name: (layers.index(name) if name in layers else -1, name))


def _arrow(importer: str, imported: str, parts: list[str]) -> Arrow:
    """Return an arrow from the lower edge of a box to the upper edge of another, where no box is in between."""
    upper, lower = PLACES[importer], PLACES[imported]
    between = [place for place in PLACES.values() if upper[0] < place[0] < lower[0]]
    free = [
        x
        for x in range(max(upper[1], lower[1]) + MARGIN, min(upper[2], lower[2]) - MARGIN)
        if all(not left - MARGIN < x < right + MARGIN for _, left, right in between)
    ]
    assert free, f"no straight way from {importer} to {imported}: place them otherwise in PLACES"
    x = free[len(free) // 2]
    return Arrow(x, ROW_TOPS[upper[0]] + BOX_HEIGHT, ROW_TOPS[lower[0]], ", ".join(filter(None, parts)))


def _http_arrow() -> tuple[int, int, int]:
    """Return from where to where, and how high, clients talk to the service."""
    return PLACES["clients"][2], PLACES["serve"][1], ROW_TOPS[0] + BOX_HEIGHT // 2


def main() -> None:
    """Write the picture."""
    argparse.ArgumentParser(description="Draw docs/images/architecture.svg from the import contracts.").parse_args()
    PICTURE.write_text(draw())


if __name__ == "__main__":
    main()
