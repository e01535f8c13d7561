"""What belongs to the project and is no code stays true: CI, hooks, templates, changelog, citation."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_workflow_runs_what_a_contributor_runs() -> None:
    workflow = load(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert job["strategy"]["matrix"]["python"][0] == oldest
    assert workflow["permissions"] == {"contents": "read"}


def test_hooks_are_what_make_check_runs_and_fetch_nothing() -> None:
    (repository,) = load(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    checks = re.findall(r"^\t\$\(BIN\)/(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for hook in repository["hooks"]:
        assert (hook["language"], hook["pass_filenames"]) == ("system", False)
        program, found = hook["entry"].split("/", 2)[:2], hook["entry"].removeprefix(".venv/bin/")
        assert program == [".venv", "bin"]
        assert found in checks, "make check runs no such command"


def test_check_includes_the_audit() -> None:
    assert re.search(r"^check:.* audit( |$)", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_version_is_one() -> None:
    (unreleased,) = re.findall(r"^## \[Unreleased\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert unreleased == load("CITATION.cff")["version"] == PROJECT["version"]


def test_the_changelog_has_the_sections_of_keep_a_changelog() -> None:
    headings = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings
    assert set(headings) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_has_what_cff_asks_for_and_both_papers() -> None:
    citation = load("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["cff-version"], citation["type"]) == ("1.2.0", "software")
    assert (citation["title"], citation["license"]) == (PROJECT["name"], PROJECT["license"])
    assert citation["abstract"] == PROJECT["description"]
    assert f"The {PROJECT['name']} authors" in (ROOT / "LICENSE").read_text()
    assert citation["authors"] == [{"name": f"The {PROJECT['name']} authors"}]
    method = " ".join((ROOT / "docs" / "method.md").read_text().split())
    assert [paper["year"] for paper in citation["references"]] == [2022, 2023]
    for paper in citation["references"]:
        assert {"type", "title", "authors"} <= paper.keys()
        assert paper["title"] in method
        assert paper["identifiers"][0]["value"].removeprefix("arXiv:") in method


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_is_one_that_github_takes(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    assert {"name", "description", "body"} <= form.keys()
    assert len({field["id"] for field in form["body"]}) == len(form["body"])
    for field in form["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert field["attributes"]["label"]


def test_there_are_forms_for_what_is_wrong_and_for_what_is_missing() -> None:
    assert [path.stem for path in FORMS] == ["bug", "feature"]
