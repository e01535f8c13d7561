"""`python -m clients batch`: classifies all recordings below a folder, and goes on where it was stopped."""

import argparse
import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from clients.answers import Prediction
from clients.batch.find import Recording, find_recordings
from clients.batch.results import Row, as_csv, read_rows, row_of
from clients.client import AsyncClient
from clients.errors import ClientError, InputError, UnclearError
from clients.out_files import check_out, write_out

_WIDTH = 80
_FORMATS = (".csv",)
_SAVED_EVERY_S = 5.0  # a killed run loses no more than that; the table is written as a whole, so not after each answer


class _Batch:
    """The recordings, the table, and which of them are still to be asked about."""

    def __init__(self, folder: Path, out: Path | None, asked: Mapping[str, Any]) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder}: is no folder; give the one that the recordings lie below")
        self.recordings = find_recordings(folder)
        self._out = out
        self._rows: dict[tuple[str, str], Row] = {} if out is None else read_rows(out)
        keys = {recording.key for recording in self.recordings}
        self.num_gone = len(self._rows.keys() - keys)
        if self._rows and self.num_gone == len(self._rows):
            raise InputError(f"--out {out}: holds the answers of other recordings; give another name")
        self._fingerprints = {one.key: one.fingerprint(asked) for one in self.recordings}
        self.states = {recording.key: self._state(recording) for recording in self.recordings}
        self._rows = {key: row for key, row in self._rows.items() if self.states.get(key) in ("done", "failed")}
        self._saved_s = time.monotonic()

    def _state(self, recording: Recording) -> str:
        row = self._rows.get(recording.key)
        if row is None:
            return "new"
        if row["fingerprint"] != self._fingerprints[recording.key]:
            return "changed"
        return "failed" if row["error"] else "done"

    @property
    def todo(self) -> list[Recording]:
        """Those whose answer the table does not have."""
        return [recording for recording in self.recordings if self.states[recording.key] != "done"]

    @property
    def num_failed(self) -> int:
        """How many rows have an error."""
        return sum(bool(row.get("error")) for row in self._rows.values())

    def take(self, recording: Recording, answer: Prediction | ClientError) -> None:
        """Put an answer into the table, which is written where that was long ago."""
        self._rows[recording.key] = row_of(recording, answer, self._fingerprints[recording.key])
        if time.monotonic() - self._saved_s > _SAVED_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write the table as a whole, where there is anything in it; raises `InputError` where it cannot be."""
        rows: list[Row] = [self._rows[one.key] for one in self.recordings if one.key in self._rows]
        if self._out is not None and rows:
            write_out(self._out, as_csv(rows).encode())
        self._saved_s = time.monotonic()


def classify(options: argparse.Namespace, asked: Mapping[str, Any], api_key: str | None) -> int:
    """Return 0 where the table has an answer for each recording, else 1; raises `InputError` for a user's mistake."""
    console = Console(width=_WIDTH, highlight=False)
    if options.out is not None:
        check_out(options.out, (), _FORMATS)
    batch = _Batch(options.folder, options.out, asked)
    if options.list:
        _print_list(console, batch)
        return 0
    if options.out is None:
        raise InputError("--out is missing: give the CSV that the answers go to, or --list to see what is found")
    check_out(options.out, [path for one in batch.recordings for path in (one.rgb, one.depth) if path], _FORMATS)
    num_done = len(batch.recordings) - len(batch.todo)
    try:
        asyncio.run(_ask(batch, options, asked, api_key))
    finally:  # after Ctrl-C, too
        batch.save()
    answered = len(batch.recordings) - num_done - batch.num_failed
    console.print(
        f"{answered} answered, {batch.num_failed} failed, {num_done} done before"
        + (f", {batch.num_gone} that are gone were left out" if batch.num_gone else "")
        + f"; the table is {escape(str(options.out))}",
        soft_wrap=True,
    )
    return 1 if batch.num_failed else 0


async def _ask(batch: _Batch, options: argparse.Namespace, asked: Mapping[str, Any], api_key: str | None) -> None:
    todo = batch.todo
    clear = [recording for recording in todo if not recording.unclear]
    pairs = ((recording.rgb, recording.depth) for recording in clear)
    async with (
        AsyncClient(options.url, api_key=api_key, timeout_s=options.timeout_s) as client,
        aclosing(client.predict_many(pairs, concurrency=options.concurrency, **asked)) as answers,
    ):
        await client.check_ready()
        with _progress(len(todo)) as progress:

            def take(recording: Recording, answer: Prediction | ClientError) -> None:
                batch.take(recording, answer)
                if isinstance(answer, ClientError):
                    progress.console.print(f"[red]{escape(' '.join(recording.key).strip())}:[/] {escape(str(answer))}")
                progress.advance(progress.task_ids[0])

            for recording in todo:
                if recording.unclear:
                    take(recording, UnclearError(recording.unclear))
            asked_about = iter(clear)
            async for answer in answers:
                take(next(asked_about), answer)


def _progress(total: int) -> Progress:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    progress.add_task("", total=total)
    return progress


def _print_list(console: Console, batch: _Batch) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), width=_WIDTH, header_style="dim")
    table.add_column("rgb", ratio=1, overflow="fold")
    table.add_column("depth", ratio=1, overflow="fold")
    table.add_column("state", width=7)
    for one in batch.recordings:
        table.add_row(escape(one.rgb_name), escape(one.depth_name), "unclear" if one.unclear else batch.states[one.key])
    console.print(table)
    num_asked = sum(not one.unclear for one in batch.todo)
    console.print(f"[dim]{len(batch.recordings)} recordings, {num_asked} to ask about[/]")
