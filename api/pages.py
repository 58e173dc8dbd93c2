"""Pages: the static files, read once, with a content hash in their address and an ETag."""

import gzip
import hashlib
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fenghuo.api.errors import ApiError, shown
from fenghuo.api.live.feed import accepts_gzip

STATIC = Path(__file__).resolve().parent / "static"
BYTES_MAX = 4_000_000
"""All static files together; they are kept in memory."""
PLACE = b"@version"
"""Stands in index.html where the version goes: modules import each other by relative addresses, so
one version in the path renews them all."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


class File(msgspec.Struct, frozen=True):
    """One file, plain and compressed."""

    media_type: str
    etag: str
    plain: bytes
    packed: bytes


class Pages:
    """Everything under static/, and one version for all of it."""

    def __init__(self, folder: Path = STATIC) -> None:
        found = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in _TYPES
        }
        if (size := sum(map(len, found.values()))) > BYTES_MAX:
            raise ValueError(f"expected at most {BYTES_MAX} bytes in {folder}, found {size}")
        joined = b"".join(name.encode() + b"\0" + content for name, content in found.items())
        self.version = hashlib.sha256(joined).hexdigest()[:12]
        self._files = {name: self._file(name, content) for name, content in found.items()}

    def index(self, request: Request) -> Response:
        """The page itself: asked for again each time, because it names the version."""
        return self._answer("index.html", request, "no-cache")

    def static(self, request: Request, version: str, name: str) -> Response:
        """A file under its version; for ever if the version is the present one."""
        current = version == self.version
        keep = "public, max-age=31536000, immutable" if current else "no-cache"
        return self._answer(name, request, keep)

    def _answer(self, name: str, request: Request, keep: str) -> Response:
        file = self._files.get(name)
        if file is None:
            message = f"no such file: {shown(name)}"
            raise ApiError(404, "not_found", message=message, cure="start at /")
        headers = {"ETag": file.etag, "Cache-Control": keep, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        body = file.plain
        if accepts_gzip(request.headers):
            body = file.packed
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers, media_type=file.media_type)

    def _file(self, name: str, content: bytes) -> File:
        if name.endswith(".html"):
            content = content.replace(PLACE, self.version.encode())
        etag = f'W/"{hashlib.sha256(content).hexdigest()[:16]}"'
        packed = gzip.compress(content, mtime=0)
        return File(_TYPES["." + name.rpartition(".")[2]], etag, content, packed)
