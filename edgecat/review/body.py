"""A decision out of a request."""

import asyncio
import dataclasses

from starlette.requests import Request

from edgecat.errors import ConfigError
from edgecat.keep.decisions import Kind
from edgecat.serve.limits import Limits
from edgecat.serve.refusal import Refusal
from edgecat.strict import build, read_json

# A label has 255 bytes at most, of which JSON may write each as 6.
_MAX_BYTES = 4096

_JSON = "application/json"


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a page asks for.

    Attributes:
        kind: What was decided.
        sha256: Of the photo; "" with "undo" for the last one.
        label: What the photo shows; None of the other kinds.
    """

    kind: Kind
    sha256: str = ""
    label: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: A label where there is none to be, or the other way around.
        """
        if (self.kind == "label") != (self.label is not None):
            raise ValueError("the kind 'label', and no other, has a label")


async def read_asked(request: Request, limits: Limits) -> Asked:
    """Return what a request asks for.

    Raises:
        Refusal: Its body is no decision.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _JSON:  # what no page of another site may send without asking first
        raise Refusal(415, "unsupported_type", f"Content-Type {kind}: accepted is {_JSON}")
    data = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for piece in request.stream():
                data += piece
                if len(data) > _MAX_BYTES:
                    text = f"a decision of more than {_MAX_BYTES} bytes"
                    raise Refusal(413, "too_large", text)
    except TimeoutError:
        text = f"the body did not arrive within {limits.body_s:g} s"
        raise Refusal(408, "too_slow", text) from None
    try:
        return build(Asked, read_json(bytes(data), "body", ConfigError), "body", ConfigError)
    except ConfigError as error:
        raise Refusal(422, "bad_decision", str(error)) from error
