"""`fenghuo run notices`: takes what Alertmanager sends and writes one line for each alert.

The receiver that a campaign names until it has a channel of its own people: every warning stands in
this part's log, and one can see that Alertmanager reaches somebody. It answers on loopback alone.
"""

import json
import signal
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from fenghuo.streams.bounded import Bounded

PORT = 8098
"""Where the shipped campaigns send their notices (`[channels]`)."""
BODY_BYTES_MAX = 4 << 20
READ_S_MAX = 10


def lines(notice: Mapping[str, Any]) -> list[str]:
    """One line for each alert of a notice: state, severity, name, scope, what it says, and where to
    look. Raises KeyError, TypeError or AttributeError for what Alertmanager does not send.
    """
    found = []
    for alert in notice["alerts"]:
        labels, told = alert["labels"], alert.get("annotations", {})
        said = told.get("summary_en") or told.get("summary") or ""
        words = (
            *(alert["status"], labels.get("severity", ""), labels["alertname"]),
            *(labels.get("scope", ""), said, told.get("panel", "")),
        )
        found.append(" ".join(" ".join(str(word).split()) for word in words if word))
    return found


def serve(port: int, say: Callable[[str], None]) -> None:
    """Take notices until SIGTERM or SIGINT. Raises OSError where the port is taken."""
    with server(port, say) as listening:

        def stop(*_: object) -> None:
            # shutdown waits for the loop, which runs in this thread
            threading.Thread(target=listening.shutdown).start()

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        say(f"fenghuo notices: ready at http://127.0.0.1:{port}/")
        listening.serve_forever(0.2)


def server(port: int, say: Callable[[str], None]) -> HTTPServer:
    """The receiver, listening on loopback. Raises OSError where the port is taken."""
    return _Server(("127.0.0.1", port), _handler(say))


class _Server(Bounded, HTTPServer):
    """Few connections, short ones."""


def _handler(say: Callable[[str], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One notice a request."""

        timeout = READ_S_MAX

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if not 0 < size <= BODY_BYTES_MAX:
                self.send_error(413, f"expected 1 to {BODY_BYTES_MAX} bytes, got {size}")
                return
            try:
                found = lines(json.loads(self.rfile.read(size)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                self.send_error(400, f"expected a notice of Alertmanager: {type(error).__name__}")
                return
            for line in found:
                say(line)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """What matters is said line by line."""

    return Handler
