"""Folders: written whole, and what lies in them."""

import hashlib
from pathlib import Path

from rgbd.files import atomic_folder


def write(folder: Path, text: str) -> None:
    """Put a folder with one file in the place of what is there."""
    with atomic_folder(folder) as temporary:
        (temporary / "file").write_text(text)


def state(*folders: Path) -> dict[str, str]:
    """Return what lies below folders, links as links."""
    return {
        str(path): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for folder in folders
        for path in folder.rglob("*")
    }
