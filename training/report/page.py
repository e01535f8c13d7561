"""Gathers what the page about a run shows."""

from collections.abc import Sequence
from pathlib import Path

from rgbd.dataset.layouts import Split
from rgbd.errors import DatasetError
from rgbd.html_page import render_page
from rgbd.terminal import progress_bar
from training.config.loading import config_yaml
from training.report.explained_clips import ClipPictures
from training.report.figures import charts, class_rows, confusions
from training.run.checkpoint import load_checkpoint
from training.run.evaluation import all_metrics
from training.run.history import read_history
from training.run.metrics import load_evaluation

_MAX_LISTED = 40  # classes and confusions


def make_page(
    run: Path,
    *,
    split: Split = "valid",
    data: Path | None = None,
    num_mistakes: int = 12,
    num_explained: int = 4,
    clips: Sequence[str] = (),
) -> str:
    """Return the page of the run in folder `run` as HTML that needs no other file.

    `data` is where the data set lies, if not where it was trained; `clips` are those to explain. Where the data set is
    not there, the page says so instead of showing clips. Raises `UserError` where the run has no evaluated checkpoint,
    or `clips` are not of the split.
    """
    checkpoint = load_checkpoint(run / "best.pt")
    scores = run / f"scores-{split}.npz"
    if not scores.exists():
        raise DatasetError(
            f"{scores}: is missing; python -m training.evaluate --checkpoint {run / 'best.pt'} --split {split} makes it"
        )
    evaluation = load_evaluation(scores)
    source = evaluation.source
    if evaluation.num_classes != len(checkpoint.class_names) or (
        source is not None and source.weights != (checkpoint.weights_digest(),)
    ):
        raise DatasetError(f"{scores}: is of other weights than best.pt; remove it and evaluate that again")
    clip_pictures = ClipPictures(checkpoint, evaluation, split, data)
    mistakes, explained = clip_pictures.choose(num_mistakes, num_explained, clips)
    with progress_bar() as progress:
        shown = [clip_pictures.thumbnails(i) for i in progress.track(mistakes, description="drawing mistakes")]
        reasons = [clip_pictures.explanation(i) for i in progress.track(explained, description="explaining clips")]
    classes = class_rows(evaluation, checkpoint.class_names)
    return render_page(
        "training.report",
        run=run,
        split=split,
        source=source,
        config=checkpoint.config,
        config_yaml=config_yaml(checkpoint.config, checkpoint.changes),
        epoch=checkpoint.position.epoch,
        num_clips=len(evaluation.clips),
        num_wrong=int(clip_pictures.is_wrong.sum()),
        metrics=all_metrics(evaluation, checkpoint.config, checkpoint.temperature),
        temperature=checkpoint.temperature,
        charts=charts(read_history(run)),
        classes=classes,
        worst=sorted((row for row in classes if row.accuracy is not None), key=lambda row: row.accuracy or 0.0),
        confusions=confusions(classes),
        max_listed=_MAX_LISTED,
        mistakes=shown,
        explained=reasons,
        problem=clip_pictures.problem,
    )
