"""The form that `/predict`, `/timeline`, `/preview` and `/explain` take -> files on disk and what they mean."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, File, Form, Query, Request, UploadFile
from pydantic import ValidationError

from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from export.predictor.decoded_clip import Whom
from export.predictor.raw_source import most_subjects
from rgbd.errors import UserError
from rgbd.recording.formats import FILE_FORMATS
from rgbd.scratch import scratch_folder
from rgbd.types import Stream
from serve.errors import MalformedMetaError, MalformedRequestError, MissingStreamError
from serve.inference.admission import Admission
from serve.schemas import ClipMeta
from serve.service import Answering, key_name
from serve.uploads.saved_files import save_files

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


_RECORDING_HELP = (
    "In place of the files: what POST /recordings called the recording; where colour and depth were sent one by one, "
    "twice, once for each."
)


@dataclass
class RecordingFiles:
    """The files of a recording."""

    rgb: Annotated[UploadFile | None, File(description="The colour stream. " + _STREAM_HELP)] = None
    depth: Annotated[UploadFile | None, File(description="The depth stream. " + _STREAM_HELP)] = None

    @property
    def given(self) -> dict[Stream, UploadFile]:
        """Those that were sent, by stream."""
        files: dict[Stream, UploadFile | None] = {"rgb": self.rgb, "depth": self.depth}
        return {stream: file for stream, file in files.items() if file is not None}


@dataclass
class ClipForm(RecordingFiles):
    """What a request about a clip brings."""

    recording: Annotated[list[str] | None, Form(description=_RECORDING_HELP)] = None
    meta: Annotated[str | None, Form(description=_META_HELP)] = None
    model: Annotated[str | None, Query(description="which model, where several are served")] = None
    version: Annotated[str | None, Query(description="which version of it (default: the newest)")] = None


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
        self, num_clips: int, num_windows: int = 1, people: Whom | None = None
    ) -> AsyncIterator[tuple[Admission, ClipRequest]]:
        """Yield the request, which asks the network for `num_clips`, and what is to be decoded.

        Its windows, or as much as fits in a batch, wait for the network at a time. Raises as
        `AdmissionControl.admit` does, and 400 for a form or a model that is wrong.
        """
        form, service = self._form, self.service
        meta, model = _parse_meta(form.meta), service.models.get(form.model, form.version)
        at_once = max(num_windows * most_subjects(people), model.max_batch)
        async with (
            service.admission.admit(self.request, model, num_clips, at_once) as admission,
            self._files() as files,
        ):
            yield admission, model.request(files, meta, service.limits, num_windows, people)

    @asynccontextmanager
    async def _files(self) -> AsyncIterator[tuple[StreamFile, ...]]:
        """Yield the files that the request is about, for the length of the block: those sent with it, or kept ones."""
        sent, recordings = self._form.given, self._form.recording
        if sent and recordings:
            raise MalformedRequestError(
                f"recording: was given together with {' and '.join(sent)}; it stands for files that were sent before: "
                "give one or the other"
            )
        if recordings:
            with self.service.recordings.use(recordings, key_name(self.request)) as files:
                yield files
        elif sent:
            with scratch_folder() as folder:
                yield await save_files(folder, sent)
        else:
            raise MissingStreamError("there are no files; give rgb and depth, as the model needs them, or a recording")


def _parse_meta(meta: str | None) -> RecordingMeta:
    """Return what the form's `meta` says; raises 400 when it is not what `ClipMeta` says."""
    try:
        return RecordingMeta(**ClipMeta.model_validate_json(meta or "{}").model_dump(exclude_none=True))
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'meta'}: {e['msg']}" for e in error.errors())
        raise MalformedMetaError(f"meta: {reasons}") from error
    except UserError as error:
        raise MalformedMetaError(f"meta: {error}") from error
