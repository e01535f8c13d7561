"""Pages and headings that the code names exist, and links from page to page lead somewhere."""

import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
FOLDERS = (
    "benchmarks",
    "clients",
    "configs",
    "deploy",
    "docs",
    "export",
    "preprocess",
    "rgbd",
    "serve",
    "tests",
    "training",
)
SUFFIXES = (".py", ".yml", ".html", ".js")

# A page, and any headings after it in quotes: docs/export.md, "From Python", "TensorRT". Lines may break in between.
PAGE = r"(docs/[\w-]+\.md|\b[A-Z]+\.md)\b"
HEADINGS = r"""((?:,[\s#]+(?:and )?(?:"[^"\n]+(?:\n[^"\n]+)?"|'[^'\n]+'))*)"""
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def sources() -> list[Path]:
    found = [ROOT / name for name in ("Dockerfile", "Makefile", "demo.py", "docker-compose.yml", "pyproject.toml")]
    found += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    return [path for path in found if path != Path(__file__)]


def named_places(text: str) -> Iterator[tuple[str, str | None]]:
    """Yield every page that a source names, with None, and every heading of it that is named there."""
    for page, quoted in re.findall(PAGE + HEADINGS, text):
        yield page, None
        for double, single in re.findall(r"\"([^\"]+)\"|'([^']+)'", quoted):
            yield page, re.sub(r"[\s#]+", " ", double or single)


@cache
def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)


def anchors(page: Path) -> list[str]:
    """Return what a page's headings are called in addresses, as GitHub has it."""
    return [re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings(page)]


def test_pages_and_headings_that_the_code_names_exist() -> None:
    named = {(path, *place) for path in sources() for place in named_places(path.read_text())}
    assert sum(heading is not None for _, _, heading in named) > 40
    missing = [
        f"{path.relative_to(ROOT)}: {page}" + (f', "{heading}"' if heading else "")
        for path, page, heading in sorted(named, key=str)
        if not (ROOT / page).is_file() or (heading is not None and heading not in headings(ROOT / page))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_pages_name_exist(page: Path) -> None:
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_picture_of_the_packages_is_drawn_from_the_contracts_of_today() -> None:
    drawing = runpy.run_path(str(ROOT / "docs" / "architecture.py"))
    assert drawing["PICTURE"].read_text() == drawing["draw"](), "python docs/architecture.py draws it again"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text()))
    broken = []
    for link in links:
        if re.match(r"\w+:", link):
            continue  # another site
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_no_two_headings_of_a_page_share_an_address() -> None:
    twice = {page.name: [name for name in anchors(page) if anchors(page).count(name) > 1] for page in PAGES}
    assert {name: found for name, found in twice.items() if found} == {}
