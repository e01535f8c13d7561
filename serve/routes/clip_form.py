"""The form that `/predict`, `/preview` and `/explain` take -> files on disk and what they mean."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, File, Form, Query, Request, Response, UploadFile
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from export.predictor.decoded_clip import PeopleChoice
from export.predictor.raw_source import most_subjects
from rgbd.errors import UserError
from rgbd.recording.formats import FILE_FORMATS
from rgbd.scratch import scratch_folder
from rgbd.types import Stream
from serve.errors import MalformedMetaError, MalformedRequestError
from serve.inference.admission import Admission
from serve.routes.known_names import WHOLE_FORM, check_parameters
from serve.schemas import ClipMeta
from serve.service import Answering, get_service

_STREAM_HELP = (
    f"A file: {FILE_FORMATS}. Frames of a zip are in the order of their names, an array is uint8 [frames, height, "
    "width, 3] or uint16 [frames, height, width]. Depth has 16 bits and is lossless: PNG, TIFF, PGM, or video in FFV1; "
    "or it is floating point, which is metres: EXR, TIFF, or an array."
)
_META_HELP = (
    "JSON: depth_scale_mm (millimetres of one step of 16-bit depth; default: as its file says, or else 1), fps, "
    "depth_fps (where it differs), start_s, end_s; rgb_track and depth_track (what a file with "
    "several streams of a kind calls the one that is meant, such as a topic of ROS); prepared (true: the recording was "
    "prepared as the training clips were; false: it is as the camera wrote it; default: its frames tell); camera, or "
    "intrinsics (fx, fy, cx, cy), of depth, by which people are found (default: as its file says, or the likeliest)."
)


@dataclass
class ClipForm:
    """What a request about a clip brings."""

    rgb: Annotated[UploadFile | None, File(description="The colour stream. " + _STREAM_HELP)] = None
    depth: Annotated[UploadFile | None, File(description="The depth stream. " + _STREAM_HELP)] = None
    meta: Annotated[str | None, Form(description=_META_HELP)] = None
    model: Annotated[str | None, Query(description="which model, where several are served")] = None
    version: Annotated[str | None, Query(description="which version of it (default: the newest)")] = None


class RefusedEarly(APIRoute):
    """A route that is refused before its body is read where that can be told: FastAPI reads forms before all else."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request; raises as `AdmissionControl.check_room` and `Repository.get` do."""
        answer = super().get_route_handler()

        async def check_first(request: Request) -> Response:
            service, query = get_service(request), request.query_params
            service.admission.check_room()
            check_parameters(request)
            service.models.get(query.get("model"), query.get("version"))
            try:
                return await answer(request)
            except HTTPException as error:
                if isinstance(error.__context__, MultiPartException) and error.detail.startswith("Too many"):
                    raise MalformedRequestError(f"there are more parts than that: {WHOLE_FORM}") from error
                raise

        return check_first


class ClipUpload:
    """Takes a request about a clip: reads its form, lets it in and puts its files down, for the length of a block."""

    def __init__(
        self,
        request: Request,
        service: Answering,
        form: Annotated[ClipForm, Depends()],
    ) -> None:
        self.request, self.service, self._form = request, service, form

    @asynccontextmanager
    async def admit(
        self, num_clips: int, num_windows: int = 1, people: PeopleChoice | None = None
    ) -> AsyncIterator[tuple[Admission, ClipRequest]]:
        """Yield the request, which asks the network for `num_clips`, and what is to be decoded.

        Its windows, or as much as fits in a batch, wait for the network at a time. Raises as
        `AdmissionControl.admit` does, and 400 for a form or a model that is wrong.
        """
        form, service = self._form, self.service
        meta, model = _parse_meta(form.meta), service.models.get(form.model, form.version)
        files: dict[Stream, UploadFile | None] = {"rgb": form.rgb, "depth": form.depth}
        at_once = max(num_windows * most_subjects(people), model.max_batch)
        async with (
            service.admission.admit(self.request, model, num_clips, at_once) as admission,
            _saved(files) as uploads,
        ):
            yield admission, model.request(uploads, meta, service.limits, num_windows, people)


def _parse_meta(meta: str | None) -> RecordingMeta:
    """Return what the form's `meta` says; raises 400 when it is not what `ClipMeta` says."""
    try:
        return RecordingMeta(**ClipMeta.model_validate_json(meta or "{}").model_dump(exclude_none=True))
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'meta'}: {e['msg']}" for e in error.errors())
        raise MalformedMetaError(f"meta: {reasons}") from error
    except UserError as error:
        raise MalformedMetaError(f"meta: {error}") from error


@asynccontextmanager
async def _saved(files: dict[Stream, UploadFile | None]) -> AsyncIterator[tuple[StreamFile, ...]]:
    """Put the files that were sent where decoder processes can read them, for the length of the block."""
    given = [(stream, file) for stream, file in files.items() if file is not None]
    with scratch_folder() as folder:
        # In a thread: hundreds of megabytes must not keep all other requests waiting.
        yield tuple([await asyncio.to_thread(_save, folder / stream, stream, file) for stream, file in given])


def _save(path: Path, stream: Stream, file: UploadFile) -> StreamFile:
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    name = file.filename or "upload"
    return StreamFile(stream, path, name.encode(errors="replace").decode())  # half a character cannot be answered with
