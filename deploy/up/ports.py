"""Whether a port can be listened on, and what to say when it cannot."""

import errno
import secrets
import socket

PORT_MAX = 65_535


def refusal(host: str, port: int) -> str:
    """Why nothing can listen there, with the cure; empty when it can."""
    if not 0 < port <= PORT_MAX:
        return f"expected a port from 1 to {PORT_MAX}, got {port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            # as servers do: what the last one's connections left behind holds nobody up
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        return _words(host, port, error)
    return ""


def free_port() -> int:
    """A free port on loopback, below the range that outgoing connections take theirs from."""
    for _ in range(200):
        port = 20_000 + secrets.randbelow(12_000)
        if not refusal("127.0.0.1", port):
            return port
    raise OSError("no free port between 20000 and 32000")


def _words(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} of {host} is taken, perhaps by another fenghuo"
        case errno.EACCES:
            return f"port {port} of {host} is not for this user: take one from 1024 on"
        case _:
            return f"expected an address of this machine to listen on, got {host}: {error.strerror}"
