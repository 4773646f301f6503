"""A photo out of a request: raw bytes, or a form with one file."""

import asyncio
import dataclasses
import io
from collections.abc import Callable

from starlette.requests import Request

from edgecat.photos.decode import MAX_BYTES
from edgecat.serve.form import FormError, PhotoForm
from edgecat.serve.limits import Limits
from edgecat.serve.refusal import Refusal

_HOW = (
    "send the photo's bytes (curl --data-binary @cat.jpg -H 'Content-Type: image/jpeg' ...) or a "
    "form with one file (curl -F photo=@cat.jpg ...)"
)


@dataclasses.dataclass(frozen=True)
class BodyHead:
    """What a request says of its body.

    Attributes:
        is_form: Whether it is a form, or else the photo itself.
        num_bytes: How large it will be; 0 where that is not said.
    """

    is_form: bool
    num_bytes: int


def read_head(request: Request, limits: Limits) -> BodyHead:
    """Return what a request says of its body, if such a body is accepted.

    Raises:
        Refusal: It is too large, or of another type.
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
    num_bytes = int(request.headers.get("content-length", "0"))
    _check_size(num_bytes, limits)
    return BodyHead(is_form, num_bytes)


def wants_heat(request: Request) -> bool:
    """Return whether a request asks for the evidence, too: by `?heat=1`.

    Raises:
        Refusal: Another value, or another question.
    """
    asked = request.query_params.multi_items()
    if asked not in ([], [("heat", "1")]):
        raise Refusal(400, "bad_query", "behind /v1/predict nothing but ?heat=1 is accepted")
    return bool(asked)


async def read_photo(
    request: Request, head: BodyHead, limits: Limits, hold: Callable[[int], object]
) -> bytes:
    """Return the bytes of the photo in a request; whether they are a photo is not looked at.

    Args:
        request: Whose body is read.
        head: What it said of it.
        limits: Those of the server.
        hold: Called with how many bytes the body has, before they are kept.

    Raises:
        Refusal: The body is too large, too slow, empty or not one file, or `hold` refuses.
        ClientDisconnect: The client left before it had sent everything.
    """
    hold(head.num_bytes)
    num_bytes = 0
    try:
        async with asyncio.timeout(limits.body_s):
            body = PhotoForm(request.headers["content-type"]) if head.is_form else io.BytesIO()
            async for piece in request.stream():
                num_bytes += len(piece)  # there may have been no Content-Length
                _check_size(num_bytes, limits)
                hold(num_bytes)
                body.write(piece)
            photo = body.getvalue()
    except FormError as error:
        raise Refusal(400, "bad_form", f"the form: {error}; {_HOW}") from error
    except TimeoutError:
        raise Refusal(
            408,
            "too_slow",
            f"the body did not arrive within {limits.body_s:g} s; send a smaller photo",
        ) from None
    if not photo:
        raise Refusal(400, "no_photo", f"no photo in the request; {_HOW}")
    return photo


def _check_size(num_bytes: int, limits: Limits) -> None:
    if num_bytes <= limits.largest_body_bytes:
        return
    why = (
        "or start the server with a larger --max-body-mb"
        if limits.largest_body_bytes < MAX_BYTES
        else "since no photo may have more"
    )
    text = f"the body is larger than {limits.largest_body_bytes / 2**20:g} MiB"
    raise Refusal(413, "too_large", f"{text}; send a smaller photo, {why}")
