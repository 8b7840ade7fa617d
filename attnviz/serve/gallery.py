"""``attnviz gallery``: a page to browse the photos of an export; one that is chosen opens in the viewer."""

import io
import threading
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from attnviz.bulk.index import TableIndex
from attnviz.bulk.prepare import read_photo, reduced
from attnviz.errors import AttnvizError, OptionError
from attnviz.inputs.decode import decode
from attnviz.language import speaker, translated
from attnviz.models.weights.registry import load_model
from attnviz.pipeline import explain
from attnviz.render.viewer.bundle import bundle
from attnviz.render.viewer.page import standalone_html
from attnviz.serve.page_language import PageLanguage, language_of

HOST = "127.0.0.1"
MOST_ROWS = 500  # of one answer
_THUMBNAILS = 2000  # kept, some 10 kB each
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "style-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
    )
)
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def build_gallery(index: TableIndex) -> Starlette:
    """The gallery's application: the page, rows as JSON, small photos, and the viewer of each photo.

    Args:
        index: What there is to browse.
    """
    watching = threading.Lock()  # one network, one photo at a time

    @lru_cache(maxsize=_THUMBNAILS)
    def thumbnail(row: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(reduced(decode(read_photo(index.ref(row))))).save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def viewer(row: int, language: str) -> str:
        asked = index.recipe
        with watching:
            photo = read_photo(index.ref(row))
            loaded = load_model(asked["model"])
            found = explain(photo, loaded, size=asked["size"], resize_mode=asked["resize_mode"])
            return standalone_html(found, language=language)

    @cache
    def called(language: str) -> dict[str, str]:
        say = speaker(language)
        return {name: said for name in index.categories if (said := say.category(name)) != name}

    async def page(request: Request) -> Response:
        return HTMLResponse(_page(), headers={**_HEADERS, "Content-Security-Policy": _POLICY})

    async def rows(request: Request) -> Response:
        asked, names = dict(request.query_params), called(language_of(request.headers))
        return await _answer(request, lambda: JSONResponse(_rows(index, asked, names), headers=_HEADERS))

    async def photo(request: Request) -> Response:
        row = _row(request, index)
        return await _answer(request, lambda: Response(thumbnail(row), media_type="image/jpeg", headers=_HEADERS))

    async def view(request: Request) -> Response:
        row = _row(request, index)
        language = language_of(request.headers)
        return await _answer(request, lambda: HTMLResponse(viewer(row, language), headers=_HEADERS))

    return Starlette(
        routes=[
            Route("/", page),
            Route("/rows", rows),
            Route("/photo/{row:int}", photo),
            Route("/viewer/{row:int}", view),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]), Middleware(PageLanguage)],
    )


def serve_gallery(index: TableIndex, port: int) -> None:
    """Serve the gallery on this machine until the process is interrupted.

    Raises:
        OSError: The port is taken.
    """
    uvicorn.run(build_gallery(index), host=HOST, port=port, log_level="warning")


@cache
def _page() -> str:
    folder = Path(__file__).parent
    script = bundle(folder / "gallery_page.js")
    return (folder / "gallery_page.html").read_text(encoding="utf-8").replace("$script", script)


async def _answer(request: Request, make: Callable[[], Response]) -> Response:
    """What was asked for, made beside the loop; or why not, in one sentence."""
    try:
        return await run_in_threadpool(make)
    except AttnvizError as error:
        status = 400 if isinstance(error, OptionError) else 404
        words = translated(str(error), language_of(request.headers))
        return PlainTextResponse(words, status_code=status, headers=_HEADERS)


def _row(request: Request, index: TableIndex) -> int:
    return min(int(request.path_params["row"]), len(index.paths) - 1)


def _rows(index: TableIndex, asked: dict[str, str], called: dict[str, str]) -> dict[str, Any]:
    """A window of the rows that pass, what there is to choose from, and what that is called where it is not English."""
    low, high = (_number(asked, name) for name in ("low", "high"))
    sort = asked.get("sort", "name")
    found = index.rows(
        sort, descending=asked.get("descending") == "1", prediction=asked.get("prediction", ""), low=low, high=high
    )
    start, count = (int(_number(asked, name) or 0) for name in ("start", "count"))
    window = found[max(0, start) : max(0, start) + min(max(0, count), MOST_ROWS)]
    return {
        "total": len(index.paths),
        "found": len(found),
        "numbers": list(index.numbers),
        "categories": index.categories,
        "called": called,
        "rows": [_entry(index, int(row), sort) for row in window],
    }


def _entry(index: TableIndex, row: int, sort: str) -> dict[str, Any]:
    category, score = int(index.predictions[row]), float(index.numbers["score"][row])
    value = float(index.numbers[sort][row]) if sort in index.numbers else None
    return {
        "row": row,
        "name": index.paths[row].replace("::", "/").rpartition("/")[2],
        "prediction": index.categories[category] if category >= 0 else None,
        "score": None if score != score else score,
        "value": None if value is None or value != value else value,
    }


def _number(asked: dict[str, str], name: str) -> float | None:
    text = asked.get(name, "")
    try:
        return float(text) if text else None
    except ValueError as error:
        raise OptionError(f"expected {name} as a number, got {text[:80]!r}") from error
