"""A server on 127.0.0.1 that serves one file, well or badly."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass
class FileServer:
    """Serves `content` at any path; `misbehave` takes the handler and the number of the request, and may answer itself.

    Attributes:
        content: The file.
        misbehave: Returns True where it has answered.
        ranges: Whether Range is honoured.
        seen: (path, Range header) of every request.
    """

    content: bytes
    misbehave: Callable[[BaseHTTPRequestHandler, int], bool] = lambda handler, number: False
    ranges: bool = True
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "FileServer":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.seen.append((self.path, self.headers.get("Range")))
                try:
                    if not outer.misbehave(self, len(outer.seen)):
                        outer.serve(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client had enough
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def serve(self, handler: BaseHTTPRequestHandler, length: int | None = None, send: int | None = None) -> None:
        """Answer properly, or announce `length` bytes, or stop after `send` bytes."""
        start = 0
        asked = handler.headers.get("Range")
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(self.content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        else:
            handler.send_response(200)
        body = self.content[start:]
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body if send is None else body[:send])
        handler.wfile.flush()

    def trickle(self, handler: BaseHTTPRequestHandler, every: float) -> None:
        """Announce the whole and send a byte now and then, for as long as the server lives."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        for byte in self.content:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if self.closing.wait(every):
                return
            time.sleep(0)
