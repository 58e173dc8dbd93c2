"""Bounded: for the small servers of the workers, which have a thread for each connection. There are
few connections, each for a short time: what opens thousands, or sends a byte now and then, takes
neither threads nor descriptors from the counting.
"""

import contextlib
import socket
import sys
import threading
import time
from socketserver import ThreadingMixIn
from typing import Any

CONNECTIONS_MAX = 64
"""One more ends the eldest."""
CONNECTION_S_MAX = 10.0
"""A request is made and answered within this time."""


class Bounded(ThreadingMixIn):
    """Mixed into an HTTP server that answers one request on each connection."""

    daemon_threads = True
    request_queue_size = 128
    """Of five, the default, the sixth that comes at once tries again after a second."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._began_s: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(*args, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._began_s[request] = time.monotonic()
            crowd = [*self._began_s][:-CONNECTIONS_MAX]
        self._end(crowd)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._began_s.pop(request, None)
        super().shutdown_request(request)  # type: ignore[misc]

    def service_actions(self) -> None:
        """Called by the server's loop, twice a second or after each connection."""
        now_s = time.monotonic()
        with self._lock:
            late = [one for one, at in self._began_s.items() if now_s - at > CONNECTION_S_MAX]
        self._end(late)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever goes away, or was ended, is no error of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[misc]

    def _end(self, connections: list[socket.socket]) -> None:
        """Wake the threads that wait for them; each closes its own."""
        for one in connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
