"""What is installed, by the names under which pip knows it: of onnxruntime and onnxruntime-gpu both import the same."""

from importlib.metadata import PackageNotFoundError, version


def version_of(distribution: str) -> str | None:
    """Return the version of what is installed, None where it is not."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def missing(*distributions: str) -> str:
    """Return a sentence about the first of them that is not installed, "" where all are."""
    absent = next((name for name in distributions if version_of(name) is None), None)
    return f"{absent} is not installed" if absent else ""
