"""A request that is not answered: why, in JSON, and with the right status."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send


class Refusal(HTTPException):
    """A request is refused.

    Attributes:
        code: One word for machines, also the outcome in the metrics.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        """Say why.

        Args:
            status: The HTTP status.
            code: One word for machines.
            message: What was given, what is accepted and how to mend it.
            headers: To send along.
        """
        super().__init__(status, message, headers)
        self.code = code


def describe_refusal(code: str, message: str) -> dict[str, Any]:
    """Return the body of every error response."""
    return {"error": {"code": code, "message": message}}


def encode_refusal(code: str, message: str) -> bytes:
    """Return the same as bytes, for where no response object is to be had."""
    return json.dumps(describe_refusal(code, message)).encode()


def to_refusal(request: Request, error: Exception, addresses: str) -> Refusal:
    """Return what to tell the client; of our own mistakes, only that it was one.

    Args:
        request: That could not be answered.
        error: Why.
        addresses: What there is to ask, for messages.
    """
    if isinstance(error, Refusal):
        return error
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    if status == 404:
        text = f"nothing is at {request.url.path}; there are {addresses}"
        return Refusal(404, "not_found", text)
    if status == 405:
        text = f"{request.method} {request.url.path} is not offered; there are {addresses}"
        return Refusal(405, "wrong_method", text, headers)
    text = "the server made a mistake, not you; its log says which"
    return Refusal(500, "internal", text)


class Incoming:
    """The body of a request as it comes in; knows whether more is to come."""

    def __init__(self, receive: Receive) -> None:
        """Wrap what the server gives."""
        self._receive = receive
        self._is_complete = False

    async def __call__(self) -> Message:
        """Return the next piece."""
        message = await self._receive()
        if not message.get("more_body"):  # the last piece, or the client has left
            self._is_complete = True
        return message

    async def discard(self, time_s: float) -> bool:
        """Throw away what is still to come; return whether that was all in the time given.

        It ends early when the server is stopped, since the client is owed its answer.
        """
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(time_s):
                while not self._is_complete:
                    await self()
        return self._is_complete


class RefusalResponse(JSONResponse):
    """The response to a refused request, sent when the client is ready to read it."""

    def __init__(self, refusal: Refusal, discard_s: float) -> None:
        """Prepare it.

        Args:
            refusal: What to say.
            discard_s: See `edgecat.serve.limits.Limits`.
        """
        body = describe_refusal(refusal.code, refusal.detail)
        super().__init__(body, refusal.status_code, refusal.headers)
        # A client that was waited for once is not waited for again.
        was_waited_for = refusal.code in ("too_slow", "made_room", "stopping")
        self._discard_s = 0 if was_waited_for else discard_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Throw the rest of the body away, then answer."""
        sends_unasked = not any(name == b"expect" for name, _ in scope["headers"])
        if isinstance(receive, Incoming) and sends_unasked:
            has_sent_all = await receive.discard(self._discard_s)
            if not has_sent_all:
                self.headers["connection"] = "close"
        await super().__call__(scope, receive, send)
