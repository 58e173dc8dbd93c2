"""A reverse proxy that puts a server below a path, as nginx does with `location /ops/wall/`."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

HEAD_MAX = 65_536
TIMEOUT_S = 30
"""Longest silence of either side; a stream says something every few seconds."""


@contextlib.contextmanager
def below(path: str, target: str) -> Iterator[str]:
    """The address of a proxy that takes `path` away and passes the rest on; all else is 404."""
    place = urlsplit(target)
    with _Proxy(path, (place.hostname or "", place.port or 80)) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}{path}"
        finally:
            proxy.shutdown()
            thread.join(30)
            proxy.hang_up()


class _Proxy(socketserver.ThreadingTCPServer):
    """Leaving it waits for the threads of all connections."""

    def __init__(self, path: str, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.path, self.target = path, target
        self._lock, self._far, self._is_over = threading.Lock(), set[socket.socket](), False

    @contextlib.contextmanager
    def call(self) -> Iterator[socket.socket]:
        """A connection to the server behind, ended at the latest by `hang_up`."""
        with socket.create_connection(self.target, TIMEOUT_S) as far:
            with self._lock:
                self._far.add(far)
                if self._is_over:
                    far.shutdown(socket.SHUT_RDWR)
            try:
                yield far
            finally:
                with self._lock:
                    self._far.remove(far)

    def hang_up(self) -> None:
        with self._lock:
            self._is_over = True
            for far in self._far:
                with contextlib.suppress(OSError):  # the other side was first
                    far.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    """One request, closed after its answer."""

    server: _Proxy
    timeout = TIMEOUT_S

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # either side may leave at any time
            self._pass_on()

    def _pass_on(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(HEAD_MAX)
            head += line
            if not line or len(head) > HEAD_MAX:
                return
        method, address, rest = head.split(b" ", 2)
        path = self.server.path.encode()
        if not address.startswith(path):
            self.wfile.write(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return
        rest = rest.replace(b"\r\nConnection: keep-alive", b"")
        request = b" ".join((method, b"/" + address[len(path) :], rest))
        with self.server.call() as far:
            far.sendall(request[:-2] + b"Connection: close\r\n\r\n")
            while data := far.recv(65_536):
                self.wfile.write(data)
