"""How a run that looks for faults ends: it names what it found."""

from collections.abc import Collection

from rich.console import Console


def tell_faults(console: Console, faults: Collection[str], otherwise: str) -> int:
    """Print what went wrong, or that nothing did, in these words; return the exit code."""
    for fault in faults:
        console.print(fault, style="red", markup=False)
    console.print(f"{len(faults)} faults" if faults else otherwise)
    return 1 if faults else 0
