"""Each extra of pyproject.toml installs what its package imports, and no more is asked of a client than HTTP."""

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("rgbd", "preprocess", "training", "export", "serve", "clients")
EXTRA_OF = {"rgbd": "media", "training": "train", "clients": "client"}  # the others' are called as they are

# Modules that are imported when they are asked for, and the extras that they need beside their package's own.
ON_REQUEST = {
    "clients.arrays": ("arrays",),
    "clients.live.command": ("live",),
    "clients.live.messages": ("live",),
    "clients.live.session": ("live",),
    "clients.live.sources": ("live",),
    "clients.live.view": ("live",),
    "clients.load.picture": ("picture",),
    "export.build.quantize": ("int8", "cpu"),
    "export.build.quantize_features": ("int8", "cpu"),
    "export.bundle.signature": ("sign",),
    "export.commands.sign": ("sign",),
    "export.runtimes.onnxruntime": ("cpu",),
    "export.runtimes.openvino": ("cpu",),
    "export.runtimes.tensorrt_engines": ("tensorrt",),
    "export.runtimes.tensorrt_runtime": ("tensorrt",),
    "preprocess.pipeline.ray_engine": ("ray",),
    "rgbd.ray_cluster": ("ray",),
    "serve.observability.otlp": ("otel",),
    "serve.replicas": ("ray",),
}
# Where the name that is imported is not the distribution's.
DISTRIBUTIONS = {
    "OpenEXR": "openexr",
    "PIL": "pillow",
    "cuda": "cuda-bindings",
    "cv2": "opencv-python-headless",
    "opentelemetry": "opentelemetry-api",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "pydantic_core": "pydantic",
    "pythonjsonlogger": "python-json-logger",
    "torch.utils.tensorboard": "tensorboard",
    "yaml": "pyyaml",
}
# What a module does without where it is not installed, or asks for when it is needed.
OPTIONAL = {
    ("clients.live.sources", "pyrealsense2"),
    ("rgbd.recording.stills.exr", "openexr"),
    ("rgbd.recording.stills.images", "kornia-rs"),
    ("rgbd.recording.numeric.matlab", "scipy"),
    ("rgbd.recording.phone.record3d", "imagecodecs"),
    ("rgbd.recording.ros.packing", "lz4"),
    ("rgbd.recording.ros.packing", "zstandard"),
}
# Needed by what is imported: files in forms, WebSockets, and torch's exporter; and files alone, the viewer of /docs.
UNSEEN = {"python-multipart", "websockets", "onnxscript", "fastapi-offline"}


@cache
def project() -> dict[str, list[str]]:
    """Return the requirements of each extra; "" has those of an installation without one."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {"": table["dependencies"], **table["optional-dependencies"]}


def installed_by(*extras: str) -> set[str]:
    """Return the distributions that the extras name, those of the extras that they include among them."""
    names: set[str] = set()
    for requirement in (line for extra in ("", *extras) for line in project()[extra]):
        if included := re.fullmatch(r"rgbd-motion\[(.+)\]", requirement):
            names |= installed_by(*included[1].split(","))
        else:
            names |= set(re.findall(r"^[\w-]+", requirement))
    return names


@cache
def modules() -> dict[str, set[str]]:
    """Return the dotted names that each module of ours imports, wherever in the file it does."""
    paths = [path.relative_to(ROOT) for package in OURS for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): imports(ROOT / path) for path in paths}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, path
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def reached_from(package: str) -> set[str]:
    """Return the modules of a package, and those of ours that these import in turn, unless on request."""
    found = modules()
    todo = [name for name in found if name.split(".")[0] == package]
    reached = set(todo)
    while todo:
        for name in found[todo.pop()] & found.keys() - reached - ON_REQUEST.keys():
            reached.add(name)
            todo.append(name)
    return reached


def distribution(name: str) -> str | None:
    """Return what installs the module of this dotted name; None where nothing has to be."""
    parts = name.split(".")
    if parts[0] in {*OURS, *sys.stdlib_module_names}:
        return None
    beginnings = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((DISTRIBUTIONS[one] for one in beginnings if one in DISTRIBUTIONS), parts[0].replace("_", "-"))


@pytest.mark.parametrize("package", OURS)
def test_an_extra_installs_what_its_package_imports(package: str) -> None:
    found = modules()
    missing = {
        f"{module}: {name}"
        for module in reached_from(package)
        for name in filter(None, map(distribution, found[module]))
        if name not in installed_by(EXTRA_OF.get(package, package), *ON_REQUEST.get(module, ()))
        and (module, name) not in OPTIONAL
    }
    assert missing == set()


@pytest.mark.parametrize("package", OURS)
def test_an_extra_installs_nothing_that_nobody_imports(package: str) -> None:
    found = modules()
    used = {distribution(name) for module in reached_from(package) for name in found[module]}
    extra = EXTRA_OF.get(package, package)
    shared = installed_by("media", "fast") if extra != "media" else set()
    assert installed_by(extra) - shared - used - UNSEEN == set()


def test_a_client_gets_httpx_and_nothing_for_recordings() -> None:
    assert installed_by() == set()
    assert installed_by("client") == {"httpx", "rich"}
