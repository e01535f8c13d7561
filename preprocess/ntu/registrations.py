"""How each of NTU's cameras lays depth on colour, as the skeletons of all of its clips say."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.ntu.recording import SKELETON_FOLDER, NtuJob
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
from rgbd.recording.ntu_skeleton import read_skeleton
from rgbd.recording.skeleton import joint_pairs
from rgbd.terminal import say


def with_registrations(jobs: Sequence[NtuJob], options: RunOptions, raw: Path, num_workers: int) -> Sequence[NtuJob]:
    """Return the jobs with their cameras' registrations: an earlier run's, or else fitted ones, which are kept."""
    path = options.out / REGISTRATION_FILE
    if path.exists() and (options.is_partial or not options.overwrite):
        registrations = read_registrations(path)
    else:
        registrations = _fit_and_keep(raw, path, num_workers)
    return [replace(job, registration=registrations.get(job.camera or "")) for job in jobs]


def _fit_and_keep(raw: Path, path: Path, num_workers: int) -> dict[str, Registration]:
    """Return what the skeletons say, and say how well it fits."""
    registrations = fit_registrations(raw, num_workers)
    if not registrations:
        return {}
    write_registrations(path, registrations)
    for camera, registration in registrations.items():
        share = 100 * (registration.inlier_share or 0)
        say(f"{camera}: depth lies on colour within {registration.residual_px:.1f} px, {share:.0f} % of joints")
    return registrations


def fit_registrations(raw: Path, num_workers: int) -> dict[str, Registration]:
    """Return {camera: registration} for every camera with skeletons enough to fit one, over all of its clips."""
    paths = sorted(raw.glob(f"{SKELETON_FOLDER}/*.skeleton"))
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
