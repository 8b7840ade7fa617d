"""The page in its visitor's language: which one, and the page's description in it, before Gradio draws anything.

Gradio's own translations follow `navigator.language` and know no choice of the visitor's; so its description of the
page, which stands in the page as JSON, leaves this server in the right language, and the browser's is set to match.
"""

import json
import re
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attnviz.language import DEFAULT_LANGUAGE, LANGUAGES, Say, speaker, words_script

COOKIE = "attnviz-language"
CHOICE = "language"  # in the page's address, as the links at its top write it

_SECONDS_REMEMBERED = 365 * 24 * 3600
_GRADIO_NAMES = {"en": "en", "zh": "zh-CN"}  # of its own translations
_MARK = "window.gradio_config = "
_HEAD = "<head>"
# Where Gradio's description of a component holds text for people.
_TEXTS = frozenset({"label", "placeholder", "info", "alt_text", "description", "title", "note", "text"})
_BUTTONS = frozenset({"button", "downloadbutton"})
# Of HTML that the program itself wrote: elements that hold a sentence, and none of their kind.
_TAGS = "h[1-6]|p|li|summary|th|td|span"
_BLOCK = re.compile(rf"<({_TAGS})>((?:(?!</?(?:{_TAGS})\b).)*)</\1>", re.DOTALL)


def language_of(headers: Mapping[str, str]) -> str:
    """The language a visitor reads: as chosen in the page, else the first that the browser asks for and we have.

    Args:
        headers: Of a request; names in small letters.
    """
    try:
        chosen = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        chosen = None
    if chosen is not None and chosen.value in LANGUAGES:
        return chosen.value
    wanted = (part.partition(";") for part in headers.get("accept-language", "").split(","))
    ranked = sorted(((_quality(more), name.strip().lower()) for name, _, more in wanted), key=lambda pair: -pair[0])
    known = (name.partition("-")[0] for quality, name in ranked if quality > 0)
    return next((name for name in known if name in LANGUAGES), DEFAULT_LANGUAGE)


def chosen_language(query: bytes) -> str | None:
    """The language that a visitor chose just now, by a page's address; None where there is no such choice.

    Args:
        query: Of the address, as it came.
    """
    chosen = dict(parse_qsl(query.decode("latin-1"))).get(CHOICE)
    return chosen if chosen in LANGUAGES else None


def _quality(parameters: str) -> float:
    """The weight behind a language of ``Accept-Language``; what cannot be read counts as not wanted."""
    found = re.fullmatch(r"\s*(?:q=([01](?:\.\d{0,3})?))?\s*", parameters)
    return 0.0 if found is None else float(found[1] or 1)


def visitor_language(request: gr.Request) -> str:
    """The language of the visitor who sent an event."""
    return language_of(dict(request.headers))


def say_to(request: gr.Request) -> Say:
    """Puts sentences into the language of the visitor who sent an event."""
    return speaker(visitor_language(request))


def described(value: Any, say: Say, kind: str = "") -> Any:  # noqa: ANN401 - any part of Gradio's description
    """Gradio's description of a page, or of a part of it, with the texts for people in another language.

    Args:
        value: JSON.
        say: Puts a sentence into that language.
        kind: Gradio's name of the component that `value` describes.
    """
    if isinstance(value, list):
        return [described(part, say) for part in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, part in value.items():
        if isinstance(part, str):
            text = name in _TEXTS or (name == "value" and kind in _BUTTONS)
            found[name] = say(part) if text else _markup(part, say) if (name, kind) == ("value", "html") else part
        elif name == "choices" and isinstance(part, list):
            found[name] = [[say(shown), chosen] for shown, chosen in part]
        elif name.startswith("api_info"):  # what programs are told
            found[name] = part
        else:
            found[name] = described(part, say, value.get("type", "") if name == "props" else "")
    return found


def _markup(text: str, say: Say) -> str:
    """HTML with each heading, paragraph and item in another language."""

    def told(found: re.Match[str]) -> str:
        english = " ".join(found[2].split())
        words = say(english)
        return found[0] if words == english else f"<{found[1]}>{words}</{found[1]}>"

    return _BLOCK.sub(told, text)


class PageLanguage:
    """ASGI middleware that sends the page in the language of whoever asks for it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through; the page itself is held back until it is whole."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        chosen = chosen_language(scope["query_string"])
        language = chosen or language_of(Headers(scope=scope))
        start: Message = {}
        body = b""

        async def hold(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            headers = MutableHeaders(scope=start)
            plain = headers.get("content-encoding", "identity") == "identity"
            if plain and headers.get("content-type", "").startswith("text/html"):
                body = _in_language(body.decode("utf-8"), language).encode("utf-8")
                headers["content-length"] = str(len(body))
                headers["content-language"] = language
                headers.add_vary_header("Accept-Language, Cookie")
                if chosen is not None:
                    headers.append("set-cookie", _remembered(chosen, secure=_is_secure(scope)))
            await send(start)
            await send({**message, "body": body})

        await self.app(_uncompressed(scope), receive, hold)


def _remembered(language: str, *, secure: bool) -> str:
    """The cookie that keeps a choice; over HTTPS also for a page that another site shows in a frame."""
    framed = "SameSite=None; Secure; Partitioned" if secure else "SameSite=Lax"
    return f"{COOKIE}={language}; Max-Age={_SECONDS_REMEMBERED}; Path=/; HttpOnly; {framed}"


def _is_secure(scope: Scope) -> bool:
    return "https" in (scope.get("scheme"), Headers(scope=scope).get("x-forwarded-proto"))


def _uncompressed(scope: Scope) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"accept-encoding"]
    return {**scope, "headers": headers}


def _in_language(page: str, language: str) -> str:
    """The page's HTML with its language told to all scripts, and with Gradio's description of it translated."""
    told = f"<script>{_browser_language(language)}{words_script(language)}</script>"
    page = page.replace(_HEAD, _HEAD + told, 1).replace('lang="en"', f'lang="{_GRADIO_NAMES[language]}"', 1)
    at = page.find(_MARK)
    if language == DEFAULT_LANGUAGE or at < 0:
        return page
    at += len(_MARK)
    config, length = json.JSONDecoder().raw_decode(page[at:])
    config["components"] = described(config["components"], speaker(language))
    text = json.dumps(config, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"{page[:at]}{text}{page[at + length :]}"


def _browser_language(language: str) -> str:
    """Script after which Gradio's own parts, such as the field for uploads, speak the page's language."""
    name = _GRADIO_NAMES[language]
    return f'Object.defineProperty(navigator,"language",{{get:()=>"{name}",configurable:true}});'
