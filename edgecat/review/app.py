"""The web application of a review: what is at which address, and how every error is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgecat.errors import ConfigError, ImageError, StorageError
from edgecat.review.body import read_asked
from edgecat.review.desk import Conflict, Desk
from edgecat.review.picture import draw_picture
from edgecat.serve.limits import Limits
from edgecat.serve.metrics import Metrics
from edgecat.serve.page import load_page
from edgecat.serve.refusal import Refusal, RefusalResponse, to_refusal
from edgecat.strict import to_json

_Result = TypeVar("_Result")

_ADDRESSES = "GET /, GET /healthz, GET /v1/review, GET /v1/photos/SHA256, POST /v1/decisions"

# Photos of people's homes: no cache on a disk, and no other site's page may show them.
_PRIVATE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class ReviewService:
    """Answers the requests of the page."""

    def __init__(self, desk: Desk, limits: Limits, metrics: Metrics) -> None:
        """Join what answers take.

        Args:
            desk: With the photos.
            limits: What clients may ask at most.
            metrics: Counts refusals.
        """
        self._desk, self._limits, self._metrics = desk, limits, metrics
        # One thread each: the desk has no lock, and of the largest photos one fits in memory.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="edgecat-desk")
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="edgecat-pictures")
        self._page, self._page_headers = load_page("edgecat.review", {})

    async def show_page(self, request: Request) -> Response:
        """Answer GET /."""
        return Response(self._page, headers=self._page_headers)

    async def show_health(self, request: Request) -> Response:
        """Answer GET /healthz."""
        return JSONResponse({"status": "ok"})

    async def show_review(self, request: Request) -> Response:
        """Answer GET /v1/review: how far it is, and what is next, after a look at the folder.

        Raises:
            Refusal: The folder is gone.
        """

        def look() -> dict[str, Any]:
            self._desk.refresh()
            return self._desk.describe()

        return await self._on_desk(look)

    async def show_photo(self, request: Request) -> Response:
        """Answer GET /v1/photos/SHA256: a JPEG of it.

        Raises:
            Refusal: It is gone, or no picture.
        """
        sha256 = request.path_params["sha256"]
        loop = asyncio.get_running_loop()
        try:
            photo = await loop.run_in_executor(self._writer, self._desk.find, sha256)
            picture = await loop.run_in_executor(self._drawer, draw_picture, photo)
        except Conflict as error:
            raise Refusal(404, "gone", str(error)) from error
        except ImageError as error:
            if photo.path.exists():
                text = f"this photo cannot be shown: {error}"
                raise Refusal(422, "not_a_photo", text) from error
            await loop.run_in_executor(self._writer, self._desk.forget, sha256)
            raise Refusal(404, "gone", "this photo is not there any more") from error
        return Response(picture, media_type="image/jpeg", headers=_PRIVATE)

    async def decide(self, request: Request) -> Response:
        """Answer POST /v1/decisions: note one, tell what is next.

        Raises:
            Refusal: It is none, does not fit what is there, or cannot be written.
        """
        try:
            asked = await read_asked(request, self._limits)
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        return await self._on_desk(
            partial(self._desk.decide, asked.sha256, asked.kind, asked.label)
        )

    async def _on_desk(self, task: Callable[[], dict[str, Any]]) -> Response:
        """Return what the desk says.

        Raises:
            Refusal: It refuses.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._writer, task)
        except Conflict as error:
            raise Refusal(409, "conflict", str(error)) from error
        except StorageError as error:
            raise Refusal(507, "not_written", str(error)) from error
        except ConfigError as error:
            raise Refusal(422, "refused", str(error)) from error
        # As ASCII: what stands in a file that was edited by hand need not be text in UTF-8.
        body = to_json(found, is_ascii=True)
        return Response(body, media_type="application/json", headers=_PRIVATE)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Tell an error of a request."""
        refusal = to_refusal(request, error, _ADDRESSES)
        self._metrics.count_refusal(refusal.code)
        return RefusalResponse(refusal, self._limits.discard_s)

    def close(self) -> None:
        """Wait for what is being written."""
        self._drawer.shutdown(cancel_futures=True)
        self._writer.shutdown()


def build_app(service: ReviewService, door: Middleware) -> Starlette:
    """Return the ASGI application.

    Args:
        service: Answers.
        door: Lets requests in or not, an `edgecat.serve.door.Door`.
    """

    @contextlib.asynccontextmanager
    async def live(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    app = Starlette(
        routes=[
            Route("/", service.show_page),
            Route("/healthz", service.show_health),
            Route("/v1/review", service.show_review),
            Route("/v1/photos/{sha256}", service.show_photo),
            Route("/v1/decisions", service.decide, methods=["POST"]),
        ],
        middleware=[door],
        exception_handlers={HTTPException: service.refuse, Exception: service.refuse},
        lifespan=live,
    )
    app.router.redirect_slashes = False  # an address that is not there is refused, not guessed
    return app
