"""Who may come in: looked at before anything else of a request is."""

import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from edgecat.serve.limits import Limits
from edgecat.serve.metrics import Metrics
from edgecat.serve.refusal import Incoming, Refusal, RefusalResponse

#: Open to everybody: the page, which asks for the token, whether the server is well, and how to
#: talk to it.
OPEN_PATHS = ("/", "/healthz", "/openapi.json")

#: What a client on the same machine calls it.
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Door:
    """The outermost layer of the app: header size, Host, Origin, token."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        metrics: Metrics,
        *,
        token: str | None,
        host_names: tuple[str, ...] | None,
    ) -> None:
        """Stand before an app.

        Args:
            app: What lies behind.
            limits: Those of the server.
            metrics: Counts who is turned away.
            token: What a client has to know; None to ask for nothing.
            host_names: By which names the server may be called, without port; None for any.
                Without this check a page of any web site could lead its own name to 127.0.0.1
                ("DNS rebinding") and read the answers.
        """
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._token = token
        self._host_names = host_names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or refuse it."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        incoming = Incoming(receive)
        try:
            self._check(scope)
        except Refusal as refusal:
            self._metrics.count_refusal(refusal.code)
            return await RefusalResponse(refusal, self._limits.discard_s)(scope, incoming, send)
        return await self._app(scope, incoming, send)

    def _check(self, scope: Scope) -> None:
        # uvicorn limits a head only while it is incomplete: one that comes in one piece passes.
        head_bytes = len(scope["raw_path"]) + len(scope["query_string"])
        head_bytes += sum(len(name) + len(value) for name, value in scope["headers"])
        if head_bytes > self._limits.max_head_bytes:
            raise head_too_large(self._limits)
        headers = Headers(scope=scope)
        _check_length(headers, scope["http_version"])
        if self._host_names is not None:
            host = headers.get("host", "")
            if _without_port(host) not in self._host_names:
                raise Refusal(
                    400,
                    "wrong_host",
                    f"Host {host!r}: this server listens to this machine only and is called "
                    f"{', '.join(self._host_names)}; use one of these in the address",
                )
        if self._token is None:
            _check_origin(scope["method"], headers)
        elif scope["path"] not in OPEN_PATHS:
            self._check_token(headers.get("authorization"))

    def _check_token(self, authorization: str | None) -> None:
        scheme, _, given = (authorization or "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), (self._token or "").encode())
        if scheme.lower() != "bearer" or not is_right:
            what = (
                "no token was given" if authorization is None else "the token is not the right one"
            )
            raise Refusal(
                401,
                "unauthorized",
                f"{what}; send the header 'Authorization: Bearer TOKEN' with the token that is in "
                "the server's --token-file",
                {"WWW-Authenticate": "Bearer"},
            )


def _check_length(headers: Headers, http_version: str) -> None:
    """Refuse two lengths of one body: where proxies disagree, a second request hides in it.

    Source: RFC 9112, 6.1 and 6.3. The connection must end with the answer.

    Raises:
        Refusal: There are two.
    """
    if "transfer-encoding" not in headers:
        return
    if "content-length" in headers or http_version == "1.0":
        beside = "Content-Length" if "content-length" in headers else "HTTP/1.0"
        raise Refusal(
            400,
            "bad_request",
            f"Transfer-Encoding beside {beside}: how long is the body? Send one of both",
            {"Connection": "close"},
        )


def _check_origin(method: str, headers: Headers) -> None:
    """Refuse what a page of another web site has the browser send.

    Only where no token is asked for: such a page knows none, and a proxy may call a server
    otherwise than the browser does. What changes nothing is let in: the browser shows that page no
    answer.

    Raises:
        Refusal: It does. Programs, which send no Origin, are not asked.
    """
    origin = headers.get("origin")
    if method in ("GET", "HEAD") or origin is None:
        return
    if origin.partition("://")[2] != headers.get("host"):
        raise Refusal(
            403,
            "wrong_origin",
            f"Origin {origin[:200]}: a page of another web site has no say here; open this "
            "server's own page, or give the server a --token-file",
        )


def head_too_large(limits: Limits) -> Refusal:
    """Return the refusal of a head above the limit."""
    return Refusal(
        431,
        "head_too_large",
        f"request line and headers are larger than {limits.max_head_bytes} bytes; send fewer or "
        "shorter headers",
    )


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).lower()
