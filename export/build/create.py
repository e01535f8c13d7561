"""A checkpoint becomes a bundle, whole and verified, or nothing."""

from pathlib import Path

from export.build.describe import describe, known_answer
from export.build.files import write_files
from export.build.graph import int8_rules
from export.build.live import check_live, write_live
from export.build.max_batch import choose_max_batch
from export.build.plan import ExportOptions, wanted
from export.bundle.fields import check_labels
from export.bundle.folder import Bundle, write_manifest
from export.runtimes.registry import spec_of
from export.verification.dataset_clips import check_classes
from export.verification.single_stream import accuracy_alone
from export.verification.source import load_source
from export.verification.verify import verify_bundle
from rgbd.files import atomic_folder
from rgbd.locks import sole_writer
from rgbd.steps import step
from rgbd.terminal import say


def create_bundle(path: Path, out: Path, options: ExportOptions) -> Bundle:
    """Write the bundle of the checkpoint in `path` to the folder `out`, atomically.

    Says on standard error how many clips at a time it takes. Raises `UserError` where an artifact cannot be made, or
    answers something else than PyTorch, or where another process writes this bundle; nothing is left then.
    """
    with step(f"loading {path}"):
        source = load_source(path)
    artifacts = wanted(options)
    check_labels(source.checkpoint.class_names)
    if any(artifact.precision == "int8" for artifact in artifacts):
        int8_rules(source.checkpoint)  # before anything is made
    if options.live:
        check_live(source, artifacts)
    for data in (options.data, options.calibration.data if options.calibration else None):
        if data is not None:
            check_classes(source.checkpoint, data)
    with sole_writer(out), atomic_folder(out) as folder:
        with step("asking PyTorch about the known clip"):
            check = known_answer(source, answer_only=options.answer_only)
        alone = accuracy_alone(source, options.data, options.alone) if options.alone and options.data else {}
        files = {item.path: spec_of(item).files[item.precision] for item in artifacts}
        write_files(folder, files.values(), source, options, tuple(check))
        live = write_live(folder, artifacts, source, options, tuple(check)) if options.live else None
        manifest = describe(folder, artifacts, source, options, check, live)
        write_manifest(folder, manifest)  # for the processes that measure
        max_batch, reason = choose_max_batch(Bundle(folder, manifest), options.max_batch)
        say(reason)
        manifest = manifest.model_copy(update={"alone": alone, "max_batch": max_batch})
        bundle = verify_bundle(Bundle(folder, manifest), source, options.data)
    return Bundle(out, bundle.manifest)
