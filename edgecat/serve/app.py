"""The web application: what is at which address, and how every error is told."""

import asyncio
import base64
import contextlib
import dataclasses
import datetime
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgecat.errors import (
    BundleError,
    EdgecatError,
    EngineError,
    ImageError,
    NotFiniteError,
    UnsupportedImageError,
)
from edgecat.keep.keeper import Keeper, Source
from edgecat.photos.decode import describe_fault
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.explanation import encode_png
from edgecat.runtime.prediction import Prediction
from edgecat.serve.body import read_head, read_photo, wants_heat
from edgecat.serve.limits import Limits
from edgecat.serve.line import Line
from edgecat.serve.metrics import METRICS_TYPE, Metrics
from edgecat.serve.model import describe_model
from edgecat.serve.openapi import ADDRESSES, API
from edgecat.serve.page import load_page
from edgecat.serve.refusal import Refusal, RefusalResponse, to_refusal
from edgecat.serve.upkeep import Upkeep
from edgecat.service.live import LiveClassifier

# What the page tells whoever sends a photo.
_NOT_KEPT = "Photos are answered by this server and not kept."
_KEPT = (
    "Photos are answered by this server. Its owner has it keep those that the model does not know "
    "or is not sure of, and a few others, to look at them; who wants one deleted asks the owner."
)


@dataclasses.dataclass(frozen=True)
class Audience:
    """Who is told what happens.

    Attributes:
        say: Tells the operator what no client is told.
        on_answer: Called with each answer, as plain values, by the thread that answers; None:
            nobody but the client is told.
    """

    say: Callable[[str], object]
    on_answer: Callable[[dict[str, object]], object] | None = None


class PhotoService:
    """Answers requests with a classifier."""

    def __init__(
        self,
        classifier: LiveClassifier,
        line: Line,
        limits: Limits,
        metrics: Metrics,
        audience: Audience,
        keeper: Keeper | None,
    ) -> None:
        """Join what answers take.

        Args:
            classifier: Answers.
            line: Where photos wait for it.
            limits: What clients may ask at most.
            metrics: Counts what happens.
            audience: Is told what happens.
            keeper: Keeps photos that are worth a look; None to keep none.
        """
        self._classifier = classifier
        self._line = line
        self._limits = limits
        self._metrics = metrics
        self._audience = audience
        self._keeper = keeper
        privacy = _NOT_KEPT if keeper is None else _KEPT
        self._page, self._page_headers = load_page("edgecat.serve", {"privacy": privacy})

    async def predict(self, request: Request) -> Response:
        """Answer POST /v1/predict.

        Raises:
            Refusal: The line is full, the body is not accepted or no photo, the model has no
                answer to it, or the server stops.
        """
        started = time.perf_counter()
        try:
            answer = JSONResponse(await self._answer(request))
        except UnsupportedImageError as error:
            raise Refusal(415, "unsupported_photo", describe_fault(error)) from error
        except ImageError as error:
            raise Refusal(422, "not_a_photo", describe_fault(error)) from error
        except EdgecatError as error:
            self._audience.say(f"a photo could not be answered: {error}")
            text = "the model has no answer to this photo; the server's log says why"
            raise Refusal(500, "no_answer", text) from error
        except ClientDisconnect:
            self._metrics.count_refusal("cut_off")
            return Response()  # nobody is there to read it
        except asyncio.CancelledError:
            self._audience.say(
                f"not done after {self._limits.stop_s:g} s: a client is told to come again"
            )
            raise Refusal(503, "stopping", "the server is being stopped; send it again") from None
        self._metrics.count_answer(time.perf_counter() - started)
        return answer

    async def _answer(self, request: Request) -> dict[str, object]:
        head, with_heat = read_head(request, self._limits), wants_heat(request)
        client = request.client.host if request.client else ""
        async with self._line.place(client) as place:
            request.state.place = place  # its connection is not closed for another's sake
            hold = partial(self._line.hold, place)
            photo = await read_photo(request, head, self._limits, hold)
            return await self._line.answer(place, partial(self._predict, photo, with_heat))

    def _predict(self, photo: bytes, with_heat: bool) -> dict[str, object]:
        current = self._classifier.current
        heat: dict[str, object] = {}
        if with_heat:
            prediction, heat = _explain(current, photo)
        else:
            prediction = current.predict(photo)
        self._metrics.count_prediction(prediction.answer, prediction.ood_score)
        bundle, variant = current.bundle.spec.name, current.variant
        if self._keeper is not None:
            sha256 = hashlib.sha256(photo).hexdigest()
            self._keeper.look_at(photo, sha256, prediction, Source.of(current))
        answer = prediction.to_dict() | {"bundle": bundle, "variant": variant}
        if self._audience.on_answer is not None:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
            self._audience.on_answer({"time": now} | answer)
        return answer | heat

    async def show_model(self, request: Request) -> Response:
        """Answer GET /v1/model."""
        return JSONResponse(describe_model(self._classifier.current))

    async def show_api(self, request: Request) -> Response:
        """Answer GET /openapi.json."""
        return JSONResponse(API)

    async def show_health(self, request: Request) -> Response:
        """Answer GET /healthz."""
        current = self._classifier.current
        return JSONResponse(
            {
                "status": "ok",
                "bundle": current.bundle.spec.name,
                "variant": current.variant,
                # Why stands in the log: it names paths, and who asks here has shown no token.
                "refused_reload": self._classifier.refusal is not None,
            }
        )

    async def show_metrics(self, request: Request) -> Response:
        """Answer GET /metrics."""
        return Response(self._metrics.to_text(), media_type=METRICS_TYPE)

    async def show_page(self, request: Request) -> Response:
        """Answer GET /."""
        return Response(self._page, headers=self._page_headers)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Tell an error of a request."""
        refusal = to_refusal(request, error, ADDRESSES)
        self._metrics.count_refusal(refusal.code)
        return RefusalResponse(refusal, self._limits.discard_s)


def routes_of(service: PhotoService) -> list[Route]:
    """Return what answers at each of the addresses that `edgecat.serve.openapi` describes."""
    return [
        Route("/v1/predict", service.predict, methods=["POST"]),
        Route("/v1/model", service.show_model),
        Route("/healthz", service.show_health),
        Route("/metrics", service.show_metrics),
        Route("/openapi.json", service.show_api),
        Route("/", service.show_page),
    ]


def build_app(service: PhotoService, door: Middleware, upkeep: Upkeep) -> Starlette:
    """Return the ASGI application.

    Args:
        service: Answers.
        door: Lets requests in or not, an `edgecat.serve.door.Door`.
        upkeep: Runs as long as the application does.
    """

    @contextlib.asynccontextmanager
    async def live(app: Starlette) -> AsyncIterator[None]:
        async with upkeep.running():
            yield

    app = Starlette(
        routes=routes_of(service),
        middleware=[door],
        exception_handlers={HTTPException: service.refuse, Exception: service.refuse},
        lifespan=live,
    )
    app.router.redirect_slashes = False  # an address that is not there is refused, not guessed
    return app


def _explain(classifier: Classifier, photo: bytes) -> tuple[Prediction, dict[str, object]]:
    """Return the answer to a photo, and where the evidence lies, as a picture.

    Raises:
        Refusal: The model cannot tell where.
        NotFiniteError: It has no answer to this photo.
    """
    try:
        explanation = classifier.explain(photo)
    except NotFiniteError:
        raise
    except (BundleError, EngineError) as error:
        text = "this model cannot show where it sees a class; ask without ?heat=1"
        raise Refusal(501, "no_heat", text) from error
    png = base64.b64encode(encode_png(explanation.draw_overlay())).decode()
    heat = {
        "label": explanation.label,
        "text": explanation.describe(),
        "picture": f"data:image/png;base64,{png}",
    }
    return explanation.prediction, {"heat": heat}
