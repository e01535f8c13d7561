"""Libraries that come with an extra, and are imported when they are needed."""

from importlib import import_module
from typing import Any

from rgbd.errors import MediaError


def import_extra(module: str, extra: str, *, name: str, purpose: str) -> Any:
    """Return a module; raises `MediaError`, about `name`, that names the extra where its library is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise MediaError(f"{name}: {purpose} needs {library}; pip install 'rgbd-motion[{extra}]'") from error
