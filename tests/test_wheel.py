"""The wheel, built and installed without a network: all that the project needs at run time is in it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import httpx
import pytest

from benchmarks.support import server
from benchmarks.support.tiny_bundle import make_bundle
from tests.support.client_recording import color_frames, depth_frames, write_frames

ROOT = Path(__file__).parents[1]
PACKAGES = ("rgbd", "preprocess", "training", "export", "serve", "clients")
NOT_FILES = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy: what an earlier build has left there would get into it."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in (*PACKAGES, "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=NOT_FILES)
    for name in ("pyproject.toml", "README.md", "LICENSE", "rgbd_motion.py"):
        shutil.copy(ROOT / name, source)
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel alone; it finds the dependencies of this one where DEPENDENCIES says so."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    _pip("--python", folder / "bin" / "python", "install", "--no-deps", "--no-index", "--no-compile", wheel)
    (packages,) = folder.glob("lib/*/site-packages")
    line = "import os, sys; sys.path.extend(filter(None, [os.environ.get('DEPENDENCIES')]))\n"
    (packages / "dependencies.pth").write_text(line)
    return folder


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def _environment(*, with_dependencies: bool) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return variables | ({"DEPENDENCIES": sysconfig.get_path("purelib")} if with_dependencies else {})


def _run(installed: Path, *words: object, with_dependencies: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program of the virtual environment, in a folder without the checkout."""
    program, *others = map(str, words)
    return subprocess.run(
        [installed / "bin" / program, *others],
        capture_output=True,
        text=True,
        check=False,
        cwd=installed,
        env=_environment(with_dependencies=with_dependencies),
    )


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    expected = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    assert len(expected) > 300
    assert sorted(expected - names) == []
    assert {f"{name}/py.typed" for name in PACKAGES} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "docs/", "stubs/"))]


def test_without_an_extra_there_is_help_and_it_is_said_what_to_install(installed: Path) -> None:
    shown = _run(installed, "rgbd-motion", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert _run(installed, "rgbd-motion", "--version").stdout == f"rgbd-motion {project['version']}\n"
    for name, extra in (("serve", "serve"), ("clients", "client"), ("recording", "media"), ("train", "train")):
        result = _run(installed, "rgbd-motion", name, "--help")
        assert result.returncode == 2
        assert result.stderr.startswith(f"error: {name} needs ")
        assert result.stderr.endswith(f"pip install 'rgbd-motion[{extra}]'\n")
        assert extra in project["optional-dependencies"]


def test_help_imports_the_standard_library_alone(installed: Path) -> None:
    program = (
        "import sys, rgbd_motion; sys.argv[1:] = ['--help']\n"
        "try: rgbd_motion.main()\n"
        "except SystemExit: print({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)\n"
    )
    others = _run(installed, "python", "-c", program, with_dependencies=True).stdout.splitlines()[-1]
    assert not {"rich", "numpy", "pydantic", *PACKAGES} & set(others.strip("{}").replace("'", "").split(", "))


def test_help_says_where_the_published_settings_are(installed: Path) -> None:
    shown = _run(installed, "rgbd-motion", "--help").stdout
    folder = Path(shown.partition("Published settings: ")[2].strip())
    there = {path.relative_to(folder) for path in folder.rglob("*.yml")}
    assert there == {path.relative_to(ROOT / "configs") for path in (ROOT / "configs").rglob("*.yml")}
    assert folder.is_relative_to(installed)


def test_clients_import_nothing_of_ours(installed: Path) -> None:
    program = (
        "import sys, rgbd_motion; sys.argv[1:] = ['clients', '--help']\n"
        "try: rgbd_motion.main()\n"
        "except SystemExit: print(sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    result = _run(installed, "python", "-c", program, with_dependencies=True)
    found = set(PACKAGES) & set(result.stdout.rpartition("[")[2].replace("'", "").strip("]\n").split(", "))
    assert found == {"clients"}, result.stderr


@pytest.fixture(scope="module")
def url(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that the wheel's own command has started."""

    def start(words: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> server.Process:
        given = {name: value for name, value in environment.items() if name.startswith("RGBD_MOTION_")}
        variables = _environment(with_dependencies=True) | given
        return subprocess.Popen([installed / "bin" / words[0], *words[1:]], stderr=log, env=variables, cwd=installed)

    bundle = make_bundle(tmp_path_factory.mktemp("bundle"))
    with server.running_server(bundle, module=("rgbd-motion", "serve"), start=start, num_decoders=1) as running:
        yield running.url


def test_a_bundle_is_served_with_its_page(url: str) -> None:
    with httpx.Client(base_url=url, timeout=60) as http:
        assert http.get("/").headers["content-type"].startswith("text/html")
        for script in (ROOT / "serve" / "static").rglob("*.js"):
            name = script.relative_to(ROOT / "serve").as_posix()
            assert http.get(f"/{name}").status_code == 200, name
        assert http.get("/docs").status_code == 200


def test_a_clip_is_answered(url: str, installed: Path, tmp_path: Path) -> None:
    rgb = write_frames(tmp_path / "rgb", color_frames(12), ".jpg")
    depth = write_frames(tmp_path / "depth", depth_frames(12), ".png")
    words = ("rgbd-motion", "clients", "predict", "--rgb", rgb, "--depth", depth, "--url", url)
    result = _run(installed, *words, with_dependencies=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert "red" in result.stdout


def test_python_m_works_as_well(installed: Path) -> None:
    result = _run(installed, "python", "-m", "serve", "--help", with_dependencies=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: python -m serve ")
