"""The table of answers: a CSV with a row for each recording, by which the next call knows what is done."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from clients.answers import Prediction
from clients.batch.find import Recording
from clients.errors import ClientError, InputError
from clients.uploads import as_text

Row = Mapping[str, str]

_FIRST = ("rgb", "depth", "label", "score", "known", "confidence")
_LAST = ("warnings", "model", "version", "error", "message", "fingerprint")
_WORDS = {True: "yes", False: "no", None: ""}


def read_rows(out: Path) -> dict[tuple[str, str], Row]:
    """Return the rows of an earlier call, by their recordings; none where the file is not there yet.

    Raises `InputError` where it is something else, which must not be written over.
    """
    try:
        text = out.read_text(encoding="utf-8") if out.exists() else ""
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        names = table.fieldnames or ()
        if text and not {*_FIRST, *_LAST} <= set(names):
            raise InputError(f"--out {out}: is there, and no table of answers; give another name")
        return {(row["rgb"], row["depth"]): row for row in table if None not in row.values()}
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"--out {out}: cannot be read ({error}); give another name, or delete it") from error


def row_of(recording: Recording, answer: Prediction | ClientError, fingerprint: str) -> Row:
    """Return what the table says of a recording."""
    row = {"rgb": recording.rgb_name, "depth": recording.depth_name, "fingerprint": fingerprint}
    if isinstance(answer, ClientError):
        return row | {"error": answer.code, "message": as_text(str(answer))}
    for rank, score in enumerate(answer.predictions, start=1):
        end = "" if rank == 1 else f"_{rank}"
        row |= {f"label{end}": score.label, f"score{end}": f"{score.score:.6f}"}
    return row | {
        "known": _WORDS[answer.known],
        "confidence": "" if answer.confidence is None else f"{answer.confidence:.4f}",
        "warnings": "\n".join(map(as_text, answer.warnings)),
        "model": answer.model.name,
        "version": answer.model.version,
    }


def as_csv(rows: Iterable[Row]) -> str:
    """Return the table, with a column of label and score for each further rank that any row has."""
    rows = list(rows)
    rank, ranks = 2, []
    while any(f"label_{rank}" in row for row in rows):
        ranks += [f"label_{rank}", f"score_{rank}"]
        rank += 1
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, (*_FIRST, *ranks, *_LAST), restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
