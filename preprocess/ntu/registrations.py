"""How each of NTU's cameras lays depth on colour, as the skeletons of all of its clips say."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.ntu.recording import SKELETON_FOLDER, SKELETON_SUFFIX, NtuJob
from preprocess.pipeline.options import RunOptions
from preprocess.pipeline.process_engine import run_jobs
from rgbd.camera.registration import (
    REGISTRATION_FILE,
    Registration,
    fit_registration,
    read_registrations,
    write_registrations,
)
from rgbd.errors import DatasetError
from rgbd.recording.skeletons.ntu_skeleton import read_skeleton
from rgbd.recording.skeletons.skeleton import joint_pairs
from rgbd.terminal import say


def with_registrations(jobs: Sequence[NtuJob], options: RunOptions, raw: Path, num_workers: int) -> Sequence[NtuJob]:
    """Return the jobs with their cameras' registrations.

    Those that an earlier run has kept stay, so that there is one for all clips of a camera; what was not known is
    fitted, and kept. Where all is done again, all that skeletons are there for are fitted again.
    """
    known = known_registrations(options.out)
    again = options.overwrite and not options.is_partial
    fitted = fit_registrations(raw, num_workers, but_for=() if again else known)
    registrations = {**known, **fitted}
    if fitted:
        write_registrations(options.out / REGISTRATION_FILE, dict(sorted(registrations.items())))
    for camera, registration in fitted.items():
        share = 100 * (registration.inlier_share or 0)
        say(f"{camera}: depth lies on colour within {registration.residual_px:.1f} px, {share:.0f} % of joints")
    return [replace(job, registration=registrations.get(job.camera or "")) for job in jobs]


def known_registrations(out: Path) -> Mapping[str, Registration]:
    """Return {camera: registration} of all runs so far; raises `DatasetError` where they cannot be read."""
    path = out / REGISTRATION_FILE
    return read_registrations(path) if path.exists() else {}


def fit_registrations(raw: Path, num_workers: int, but_for: Collection[str] = ()) -> dict[str, Registration]:
    """Return {camera: registration} for the other cameras with skeletons enough to fit one, over all of their clips."""
    found = sorted(raw.glob(f"{SKELETON_FOLDER}/[!.]*{SKELETON_SUFFIX}"))
    paths = [path for path in found if path.name[:8] not in but_for]
    if not paths:
        return {}
    pairs_by_camera: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for path, pairs in zip(paths, run_jobs(_joint_pairs, paths, num_workers, "registering cameras"), strict=True):
        pairs_by_camera[path.name[:8]].append(pairs)
    fitted = {camera: fit_registration(np.concatenate(pairs)) for camera, pairs in pairs_by_camera.items()}
    return {camera: registration for camera, registration in fitted.items() if registration is not None}


def _joint_pairs(path: Path) -> NDArray[np.float32]:
    try:
        return joint_pairs(read_skeleton(path))
    except DatasetError:
        return joint_pairs([])  # the clip that this skeleton belongs to will fail with the reason
