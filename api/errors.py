"""One shape for every answer that is no success: {"error": {"code", "message", "cure"}}."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fenghuo.schemas.store.port import StoreError

LOG = logging.getLogger(__name__)
VALUE_CHARS_MAX = 80
"""How much of a bad value an error repeats."""
ALLOW = "GET, HEAD, OPTIONS"
"""What every address takes: the window is for looking."""

_CURES = {
    404: ("not_found", "see /api/v1/status, /api/v1/totals, /api/v1/history, /api/v1/stream"),
    405: ("method_not_allowed", "use GET"),
}


class ApiError(Exception):
    """An answer that says what was expected, what came, and what to do about it."""

    def __init__(
        self, status: int, code: str, *, message: str, cure: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.cure = cure
        self.retry_after_s = retry_after_s

    def response(self) -> Response:
        """The error as it goes out."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return Response(
            self.body(), status_code=self.status, headers=headers, media_type="application/json"
        )

    def body(self) -> bytes:
        """The one error shape."""
        error = {"code": self.code, "message": self.message, "cure": self.cure}
        return msgspec.json.encode({"error": error})


def bad_parameter(message: str, cure: str) -> ApiError:
    """A query parameter that cannot be used."""
    return ApiError(400, "bad_parameter", message=message, cure=cure)


def install(app: FastAPI) -> None:
    """Every exception that leaves a route becomes the one error shape."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(StoreError, _on_store)
    app.add_exception_handler(Exception, _on_surprise)


async def _on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {"Allow": ALLOW}
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=error.headers)
    code, cure = _CURES.get(status, (HTTPStatus(status).phrase.lower().replace(" ", "_"), ""))
    message = f"{request.method} {shown(request.url.path)}: {error.detail}".lower()
    response = ApiError(status, code, message=message, cure=cure).response()
    response.headers.update(error.headers or {})
    return response


async def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [_problem(problem) for problem in error.errors()]
    return bad_parameter("; ".join(found), "correct the named query parameters").response()


def _problem(problem: dict[str, Any]) -> str:
    name = str(problem["loc"][-1])
    if problem["type"] == "missing":
        return f"{name}: expected a value, got none"
    expected = str(problem["msg"]).lower().replace("input should be", "expected")
    return f"{name}: {expected}, got {shown(problem.get('input'))!r}"


async def _on_store(_: Request, error: Exception) -> Response:
    LOG.warning("store: %s", error)
    cure = "live status needs no store; see the store's log, then ask again"
    return ApiError(
        503, "store_unavailable", message=shown(error, 400), cure=cure, retry_after_s=2
    ).response()


async def _on_surprise(request: Request, error: Exception) -> Response:
    LOG.error("%s %s failed", request.method, shown(request.url.path), exc_info=error)
    return ApiError(
        500, "internal", message="the api failed on this request", cure="see the log of the api"
    ).response()


def shown(value: object, chars_max: int = VALUE_CHARS_MAX) -> str:
    """A value from outside, short enough to be repeated in an error."""
    text = str(value)
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"
