"""Episodes as multipart/form-data (Klipit reference, "Jobs": field `file`)."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from sandbox.accounts import Refused


async def read_upload(request: Request, limit_bytes: int) -> dict[str, Any]:
    """Read a submission from a form. The file is streamed to a temporary file and deleted.

    Returns:
        The text fields, with `file` (its name) and `file_bytes`.

    Raises:
        Refused: 400 not a form, 413 over the limit, 422 without a file.
    """
    if int(request.headers.get("content-length", 0)) > limit_bytes:
        raise Refused(413, "too_large", f"An upload may have {limit_bytes} bytes.")
    try:
        async with request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.size:
                raise Refused(422, "invalid_request", "The form needs a field `file` with content.")
            submission: dict[str, Any] = {
                name: value for name, value in form.items() if isinstance(value, str)
            }
            if "platforms" in form:
                submission["platforms"] = form.getlist("platforms")
            return submission | {"file": file.filename or "episode", "file_bytes": file.size}
    except MultiPartException as error:
        raise Refused(400, "invalid_form", "The form cannot be read.") from error
