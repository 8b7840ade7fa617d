"""The door of the page's server: what may come in, how large it may be, and what browsers may do with the answer.

Gradio bounds multipart uploads only: a picture as a ``data:`` URL in a JSON body passes any `max_file_size`, and its
file route fetches http addresses on behalf of the visitor. `RequestFilter` closes both, before Gradio sees the request.
Starlette's own middleware sees to the name that the server is asked by.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import PurePosixPath, PureWindowsPath

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attnviz.errors import OptionError, quoted

MEBIBYTE = 1024 * 1024
MAX_PHOTO_BYTES = 20 * MEBIBYTE  # one picture
MAX_UPLOAD_BYTES = 400 * MEBIBYTE  # one request with a batch of pictures, each bounded by Gradio's max_file_size
MAX_BODY_BYTES = 2 * MEBIBYTE  # everything else is small JSON: pictures travel as uploads, never inside JSON
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")

_DRAIN_BYTES = 64 * MEBIBYTE  # read this much of a refused body, so that the client gets to read the refusal
_DRAIN_SECONDS = 10.0
_UPLOAD = "/gradio_api/upload"
_FILE = "/gradio_api/file="
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})
_OPEN_PATHS = frozenset(
    {
        "/",
        "/config",
        "/config/",
        "/favicon.ico",
        "/manifest.json",
        "/robots.txt",
        "/theme.css",
        "/gradio_api/app_id",
        "/gradio_api/cancel",
        "/gradio_api/info",
        "/gradio_api/info/",
        "/gradio_api/login_check",
        "/gradio_api/queue/data",
        "/gradio_api/queue/join",
        "/gradio_api/queue/status",
        "/gradio_api/reset",
        "/gradio_api/run/predict",
        "/gradio_api/startup-events",
        "/gradio_api/theme.css",
        "/gradio_api/token",
        "/gradio_api/upload_progress",
        "/gradio_api/user",
        _UPLOAD,
    }
)
_OPEN_PREFIXES = ("/assets/", "/static/", "/svelte/", "/gradio_api/call/", "/gradio_api/heartbeat/")

# Gradio compiles templates in the browser, hence 'unsafe-eval'; its page carries inline scripts and styles.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), interest-cohort=()",
}


# A scheme, a name (or number) and at most a port, as browsers write an origin: nothing that could end a directive.
_ORIGIN = re.compile(r"https?://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:[0-9]{1,5})?")


def security_headers(frames: Iterable[str] = ()) -> dict[str, str]:
    """`SECURITY_HEADERS`, with leave for pages of other sites to show this one in a frame.

    Args:
        frames: Origins of those sites, for example ``"https://example.com"``; none: nobody may.

    Raises:
        OptionError: One of them is no origin.
    """
    allowed = [_origin(frame) for frame in frames]
    if not allowed:
        return dict(SECURITY_HEADERS)
    policy = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", " ".join(["frame-ancestors 'self'", *allowed]))
    headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy}
    del headers["X-Frame-Options"]  # it knows all or none; browsers that know the policy need no second word
    return headers


def _origin(text: str) -> str:
    origin = text.strip().lower().removesuffix("/")
    if not _ORIGIN.fullmatch(origin):
        raise OptionError(f"expected an origin such as https://example.com, got {quoted(text)}")
    return origin


def guards(hosts: Iterable[str] | None = LOOPBACK_HOSTS, frames: Iterable[str] = ()) -> list[Middleware]:
    """What a request comes through on its way to Gradio, in this order.

    Args:
        hosts: Names this server answers to, without port; None for any. A page on another site that rebinds its DNS
            name to 127.0.0.1 sends its own name as `Host`, and is refused.
        frames: Origins of the sites that may show the page in a frame, as for `security_headers`.

    Raises:
        OptionError: One of `frames` is no origin.
    """
    allowed = ["*"] if hosts is None else list(hosts)
    labelling = Middleware(RequestFilter, headers=security_headers(frames))
    return [labelling, Middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False)]


class _BodyTooLargeError(Exception):
    """Raised out of `receive` to stop the application from reading on."""


class RequestFilter:
    """ASGI middleware that refuses what the page never needs, and labels every answer with security headers.

    Args:
        app: The application behind the door.
        max_body: Largest body of a request in bytes, however it is sent.
        max_upload: The same for a request of uploaded pictures.
        headers: What every answer is labelled with.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body: int = MAX_BODY_BYTES,
        max_upload: int = MAX_UPLOAD_BYTES,
        headers: Mapping[str, str] = SECURITY_HEADERS,
    ) -> None:
        self.app = app
        self.headers = headers
        self.max_body = max_body
        self.max_upload = max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or answer it here with one sentence."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, _labelled(send, scope["path"], self.headers))
        else:  # the page opens no websocket
            await send({"type": "websocket.close", "code": 1008, "reason": "expected HTTP"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        limit = self.max_upload if scope["path"] == _UPLOAD else self.max_body
        refusal = _refusal(scope, headers) or _declared_too_large(headers, limit)
        if refusal is not None:
            await _drain(receive, headers)
            await refusal(scope, receive, send)
            return
        body = _BoundedBody(receive, send, limit)
        try:
            await self.app(scope, body.receive, body.send)
        except _BodyTooLargeError:
            pass
        if body.exceeded and not body.answered:
            if not body.ended:
                await _drain(receive, headers)
            await _too_large(limit)(scope, receive, send)


class _BoundedBody:
    """Counts a request's bytes as they come, whatever its headers claim.

    Frameworks turn an error while reading into an answer of their own; that answer is swallowed so that the client
    gets the real reason.
    """

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._seen = 0
        self.exceeded = False
        self.ended = False  # the whole body was received: asking for more would wait for the client to leave
        self.answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self.ended = not message.get("more_body", False)
            if self._seen > self._limit:
                self.exceeded = True
                raise _BodyTooLargeError
        return message

    async def send(self, message: Message) -> None:
        if self.exceeded and not self.answered:
            return
        if message["type"] == "http.response.start":
            self.answered = True
        await self._send(message)


def _labelled(send: Send, path: str, labels: Mapping[str, str]) -> Send:
    """`send`, with the labels on every answer; pictures of a visitor stay out of shared caches."""

    async def labelled(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in labels.items():
                headers[name] = value
            if path.startswith(_FILE):
                headers["Cache-Control"] = "private, max-age=3600"
        await send(message)

    return labelled


def _refusal(scope: Scope, headers: Headers) -> PlainTextResponse | None:
    """The answer to a request that must not reach the application; None to let it through."""
    origin = headers.get("origin")
    if origin is not None and _host_of(origin) != headers.get("host", "").lower():
        return PlainTextResponse(f"expected a request from this page, got one from {quoted(origin)}", 403)
    if scope["method"] not in _METHODS:
        return PlainTextResponse(f"expected GET or POST, got {quoted(scope['method'])}", 405)
    if not _is_open(scope["path"]):
        return PlainTextResponse("expected an address of this page, got an unknown or closed one", 404)
    return None


def _host_of(origin: str) -> str:
    """Name and port in an `Origin` header, which has nothing behind them; empty where the browser says ``null``."""
    return origin.partition("://")[2].lower()


def _is_open(path: str) -> bool:
    """Whether the page needs `path`: everything else Gradio serves is closed."""
    if path.startswith(_FILE):
        name = path[len(_FILE) :]
        return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()
    return path in _OPEN_PATHS or path.startswith(_OPEN_PREFIXES)


def _declared_too_large(headers: Headers, limit: int) -> PlainTextResponse | None:
    declared = headers.get("content-length", "0")
    return _too_large(limit) if not declared.isdecimal() or int(declared) > limit else None


def _too_large(limit: int) -> PlainTextResponse:
    return PlainTextResponse(f"expected a request of at most {limit // MEBIBYTE} MB, got a larger one", 413)


async def _drain(receive: Receive, headers: Headers) -> None:
    """Read and forget a refused body, up to a bound: a socket closed on unread bytes loses the answer."""
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_read_on(receive), _DRAIN_SECONDS)


async def _read_on(receive: Receive) -> None:
    left = _DRAIN_BYTES
    while left > 0:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        left -= len(message.get("body", b""))
