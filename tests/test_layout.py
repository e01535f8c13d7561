"""Who imports whom among tests and benchmarks: helpers live in tests/support, and benchmarks know nothing of tests."""

import ast
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OF_ONE_MODULE = re.compile(r"tests\.(.*\.)?(test_\w+|conftest)(\.|$)")


def imports(path: Path) -> set[str]:
    """Return the dotted names of all that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            names |= {".".join((*package, *filter(None, (node.module, alias.name)))) for alias in node.names}
    return names


def test_benchmarks_import_nothing_of_tests() -> None:
    found = {path: imports(path) for path in ROOT.glob("benchmarks/**/*.py")}
    assert len(found) > 10
    assert [f"{path}: {name}" for path, names in found.items() for name in names if name.startswith("tests")] == []


def test_no_test_imports_from_another_or_from_a_conftest() -> None:
    found = {path: imports(path) for path in ROOT.glob("tests/**/*.py")}
    assert len(found) > 100
    assert [f"{path}: {name}" for path, names in found.items() for name in names if OF_ONE_MODULE.match(name)] == []


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    patterns = pytestconfig.getini("norecursedirs")
    folders = {folder for path in ROOT.glob("tests/**/test_*.py") for folder in path.relative_to(ROOT).parts[:-1]}
    assert "build" in folders
    assert [folder for folder in folders if any(fnmatch(folder, pattern) for pattern in patterns)] == []
