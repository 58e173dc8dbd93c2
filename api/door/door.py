"""Door: which requests are let in at all. Pure: judges what a request says of itself."""

from collections.abc import Iterable
from typing import Final

from fenghuo.api.errors import ApiError, shown
from fenghuo.schemas.hosts import Hosts

URL_BYTES_MAX: Final = 8_192
HEADER_BYTES_MAX: Final = 16_384
"""Names and values of all headers together."""
BODY_BYTES_MAX: Final = 16_384
"""No address takes a body; a small one is passed over."""
HEAD_BYTES_MAX: Final = URL_BYTES_MAX + HEADER_BYTES_MAX
"""More is not read in search of the end of a request's head."""
TLS: Final = b"\x16\x03"

Headers = Iterable[tuple[bytes, bytes]]


def refusal(url_bytes: int, headers: Headers, hosts: Hosts | None) -> ApiError | None:
    """Why a request is not answered; None: it is. Without `hosts` any name is as good."""
    if url_bytes > URL_BYTES_MAX:
        return _long_url(f"one of {url_bytes}")
    told: dict[bytes, bytes] = {}
    header_bytes = 0
    for name, value in headers:
        header_bytes += len(name) + len(value)
        told[name] = value
    if header_bytes > HEADER_BYTES_MAX:
        return _large_headers(f"{header_bytes}")
    if b"transfer-encoding" in told:
        return _large_body("one whose length is not told")
    if (body_bytes := int(told.get(b"content-length", b"0"))) > BODY_BYTES_MAX:
        return _large_body(f"one of {body_bytes} bytes")
    host = told.get(b"host", b"").decode("latin-1")
    if hosts is not None and host and not hosts.allow(host):
        return _foreign_host(host)
    return None


def unreadable(rest: bytes) -> ApiError:
    """Why no request was found at the beginning of some bytes."""
    line, end, _ = rest.partition(b"\n")
    if len(line) > URL_BYTES_MAX and not end:
        return _long_url("a longer one")
    if len(rest) > HEADER_BYTES_MAX:
        return _large_headers("more")
    came = "the beginning of TLS" if rest.startswith(TLS) else "something else"
    cure = "use http://, or put a proxy with TLS in front" if rest.startswith(TLS) else ""
    message = f"expected a request of HTTP/1.1, got {came}"
    return ApiError(400, "bad_request", message=message, cure=cure)


def late(limit_s: float) -> ApiError:
    """A request whose end did not come."""
    message = f"expected a whole request within {limit_s:g} s, got the beginning of one"
    return ApiError(408, "slow_request", message=message, cure="ask again")


def busy(most: int) -> ApiError:
    """More requests at once than there are places."""
    message = f"expected at most {most} requests at a time, all places are taken"
    cure = "ask again, or start another api"
    return ApiError(503, "busy", message=message, cure=cure, retry_after_s=2)


def _long_url(came: str) -> ApiError:
    message = f"expected an address of at most {URL_BYTES_MAX} bytes, got {came}"
    return ApiError(414, "long_url", message=message, cure="every question fits into a short one")


def _large_headers(came: str) -> ApiError:
    message = f"expected at most {HEADER_BYTES_MAX} bytes of headers, got {came}"
    return ApiError(431, "large_headers", message=message, cure="delete this site's cookies")


def _large_body(came: str) -> ApiError:
    message = f"expected no body, at most one of {BODY_BYTES_MAX} bytes, got {came}"
    return ApiError(413, "large_body", message=message, cure="use GET without a body")


def _foreign_host(host: str) -> ApiError:
    message = f"expected a name of this server as Host, got {shown(host)!r}"
    cure = "ask by address, or name it in FENGHUO_HOSTS of the api"
    return ApiError(421, "foreign_host", message=message, cure=cure)
