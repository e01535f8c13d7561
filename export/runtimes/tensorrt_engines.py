"""TensorRT's engines: built from a bundle's ONNX file for one GPU, and kept for the next start."""

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import tensorrt as trt

from rgbd.errors import UserError
from rgbd.files import atomic_file
from rgbd.locks import LockedError, sole_writer

_logger = logging.getLogger(__name__)
_log = trt.Logger(trt.Logger.WARNING)

_WAIT_S = 0.5  # before asking again whether another process has built an engine
_USUAL_BATCH = 4  # what kernels are chosen for, where more is allowed


def cache_folder() -> Path:
    """Return where engines lie: of the user, not in the bundle, because an engine is code that would be run."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rgbd-motion" / "engines"


def engine_file(path: Path, precision: str, max_batch: int, gpu: str, folder: Path | None = None) -> Path:
    """Return the engine of an ONNX file for a GPU of this name, built if there is none; `folder` replaces the cache."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    machine = re.sub(r"\W+", "-", gpu).strip("-").lower()
    plan = (folder or cache_folder()) / f"{machine}-{trt.__version__}-{precision}-{max_batch}-{digest}.plan"
    if not plan.exists():
        _logger.warning("building a TensorRT engine of %s for %s; this takes minutes, once", path, gpu)
        with _turn(plan):
            if not plan.exists():  # another process may have built it meanwhile
                build_engine(path, plan, max_batch, timing_cache=cache_folder() / f"{machine}-{trt.__version__}.timing")
    return plan


@contextmanager
def _turn(file: Path) -> Iterator[None]:
    """Wait until no other process writes this file of the cache, and keep others from it within the block."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(sole_writer(file))
                break
            except LockedError:
                time.sleep(_WAIT_S)
        yield


def build_engine(path: Path, plan: Path, max_batch: int, timing_cache: Path | None = None) -> None:
    """Build an engine of an ONNX file, for 1 to `max_batch` clips, and write it to `plan`, atomically.

    The network is strongly typed: every precision is the ONNX file's. Raises `UserError`, naming the nodes, where
    TensorRT cannot build it.
    """
    builder = trt.Builder(_log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, _log)
    if not parser.parse_from_file(str(path)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = "; ".join(f"{error.node_name()} ({error.node_operator()}): {error.desc()}" for error in errors)
        raise UserError(f"{path}: TensorRT {trt.__version__} cannot read it: {reasons}")
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)[1:]
        profile.set_shape(tensor.name, (1, *shape), (min(_USUAL_BATCH, max_batch), *shape), (max_batch, *shape))
    config.add_optimization_profile(profile)
    if timing_cache is not None:
        known = timing_cache.read_bytes() if timing_cache.exists() else b""
        config.set_timing_cache(config.create_timing_cache(known), ignore_mismatch=False)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise UserError(f"{path}: TensorRT {trt.__version__} cannot build an engine; its messages above say why")
    with atomic_file(plan) as temporary:
        temporary.write_bytes(engine)
    if timing_cache is not None:
        with _turn(timing_cache), atomic_file(timing_cache) as temporary:
            temporary.write_bytes(config.get_timing_cache().serialize())


def deserialize(plan: Path) -> trt.ICudaEngine:
    """Return an engine, ready to run; raises `UserError` for one that is damaged."""
    engine = trt.Runtime(_log).deserialize_cuda_engine(plan.read_bytes())
    if engine is None:
        raise UserError(f"{plan}: is damaged; remove it, and it is built again")
    return engine
