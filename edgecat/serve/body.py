"""A photo out of a request: raw bytes, or a form with one file."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from edgecat.serve.limits import Limits
from edgecat.serve.refusal import Refusal

_HOW = (
    "send the photo's bytes (curl --data-binary @cat.jpg -H 'Content-Type: image/jpeg' ...) or a "
    "form with one file (curl -F photo=@cat.jpg ...)"
)


async def read_photo(request: Request, limits: Limits) -> bytes:
    """Return the bytes of the photo in a request; whether they are a photo is not looked at.

    Raises:
        Refusal: The body is too large, too slow, of another type, empty or not one file.
        ClientDisconnect: The client left before it had sent everything.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_form = kind == "multipart/form-data"
    if not (is_form or kind in ("", "application/octet-stream") or kind.startswith("image/")):
        raise Refusal(
            415,
            "unsupported_type",
            f"Content-Type {kind}: accepted are image/*, application/octet-stream and "
            f"multipart/form-data; {_HOW}",
        )
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise Refusal(
            415, "unsupported_type", f"Content-Encoding {encoding}: send the photo as it is"
        )
    _check_size(int(request.headers.get("content-length", "0")), limits)
    try:
        async with asyncio.timeout(limits.body_s):
            photo = await (_read_form if is_form else _read_raw)(request, limits)
    except TimeoutError:
        raise Refusal(
            408,
            "too_slow",
            f"the body did not arrive within {limits.body_s:g} s; send a smaller photo",
        ) from None
    if not photo:
        raise Refusal(400, "no_photo", f"no photo in the request; {_HOW}")
    return photo


async def _read_raw(request: Request, limits: Limits) -> bytes:
    return b"".join([piece async for piece in _limited(request, limits)])


async def _read_form(request: Request, limits: Limits) -> bytes:
    parser = _InMemoryParser(request.headers, _limited(request, limits), max_files=1, max_fields=0)
    try:
        form: FormData = await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, "bad_form", f"{error.message} Accepted is one file; {_HOW}") from error
    files = [item for item in form.values() if isinstance(item, UploadFile)]
    return await files[0].read() if files else b""


class _InMemoryParser(MultiPartParser):
    """Starlette's parser without its files: the body is limited, and a device's disk read-only."""

    spool_max_size = 0  # of a SpooledTemporaryFile: never to disk


async def _limited(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    """Yield the body's pieces; the count is needed where no Content-Length is sent."""
    num_bytes = 0
    async for piece in request.stream():
        num_bytes += len(piece)
        _check_size(num_bytes, limits)
        yield piece


def _check_size(num_bytes: int, limits: Limits) -> None:
    if num_bytes > limits.max_body_bytes:
        raise Refusal(
            413,
            "too_large",
            f"the body is larger than {limits.max_body_bytes / 2**20:g} MiB; send a smaller "
            "photo, or start the server with a larger --max-body-mb",
        )
