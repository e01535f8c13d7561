"""What a bundle holds, as tables for a terminal."""

from rich.table import Table

from export.bundle.folder import Bundle
from export.runtimes.registry import files_of


def artifacts_table(bundle: Bundle) -> Table:
    """Return a row for each artifact: how far from PyTorch, how fast, how large."""
    title = f"{bundle.manifest.name} {bundle.manifest.version} against PyTorch"
    table = Table(title=title, box=None, title_justify="left", caption_justify="left")
    table.add_column("artifact")
    devices = list(dict.fromkeys(device for artifact in bundle.manifest.artifacts for device in artifact.speeds))
    for column in (*(f"ms, {device}" for device in devices), "MB", "logits differ", "probabilities", "same answer"):
        table.add_column(column, justify="right")
    for artifact in bundle.manifest.artifacts:
        megabytes = sum(file.size_bytes for file in files_of(bundle, artifact)) / 1e6
        parity, speeds = artifact.parity, artifact.speeds
        if parity is None:
            table.caption = "without figures: was not compared yet (`python -m export verify` where it runs)"
        table.add_row(
            artifact.name,
            *(f"{speeds[device].latency_ms:.0f}" if device in speeds else "" for device in devices),
            f"{megabytes:.1f}",
            f"{parity.max_difference:.1e}" if parity else "",
            f"{parity.probability_difference:.1e}" if parity else "",
            f"{parity.top1_agreement:.0%} of {parity.num_clips}" if parity else "",
        )
    return table
