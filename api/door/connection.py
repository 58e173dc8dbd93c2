"""Connection: uvicorn's HTTP/1.1 connection, with a time for all that the other side owes and a
bound on those that owe it. A live stream has none: `feed.py` knows who reads it.

uvicorn waits for a request for ever, and closes on one that it cannot read while the client still
sends, which loses the answer. Here each refusal is said in the one error shape, and then what still
comes is passed over for a moment.
"""

import asyncio
import enum
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fenghuo.api.door import door
from fenghuo.api.errors import ApiError

REQUEST_S: Final = 10.0
"""A request comes in whole within this time of its connection, or of its first byte."""
IDLE_S: Final = 5
"""How long a connection is kept for a next request."""
ANSWER_S: Final = 30.0
"""An answer is made and taken within this time."""
CLOSE_S: Final = 2.0
"""How long a connection that is over may take to end."""
END: Final = "end"
"""In the state of a request: ends its connection at once."""


class Phase(enum.Enum):
    """What a connection is doing."""

    ASKING = "a request has begun, or is to begin"
    ANSWERED = "a whole request is being answered"
    IDLE = "kept for the next request"
    OVER = "it ends; what comes is passed over"


class Waiting:
    """The connections without a request under way. One too many takes the place of the one that
    has waited longest: a flood of silent ones keeps out nobody who speaks.
    """

    def __init__(self, most: int, ended: Callable[[str], None]) -> None:
        self.ended = ended
        """Called with the reason whenever a connection is ended for what its other side did."""
        self._most = most
        self._held: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._held)

    def enter(self, one: "Connection") -> None:
        """One more waits."""
        self._held.pop(one, None)
        self._held[one] = None
        if len(self._held) > self._most:
            self.ended("crowded_out")
            next(iter(self._held)).end()

    def leave(self, one: "Connection") -> None:
        """It waits no more."""
        self._held.pop(one, None)


class Connection(H11Protocol):
    """One connection; `endless` is the path whose answer never ends."""

    def __init__(self, *, waiting: Waiting, endless: str, **given: Any) -> None:
        super().__init__(**given)
        self.app_state = {**self.app_state, END: self.end}
        self._waiting = waiting
        self._endless = endless
        self._phase = Phase.ASKING
        self._due: asyncio.TimerHandle | None = None
        self._has_spoken = False

    def end(self) -> None:
        """End it at once, whatever it holds."""
        self._waiting.leave(self)
        self._real.abort()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is answered on it."""
        return self._phase is Phase.OVER

    def close(self) -> None:
        """No more from us. Closing while they still send would take the answer from them."""
        if self.is_over:
            return
        may_still_send = self._phase is Phase.ASKING
        self._unset_keepalive_if_required()
        self._enter(Phase.OVER)
        if may_still_send:
            self.flow.resume_reading()
            self._real.write_eof()
        else:
            self._real.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._real = transport
        self.transport = _Transport(transport, self)  # type: ignore[assignment]
        self._enter(Phase.ASKING)

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = Phase.OVER
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._stop_clock()
        self._waiting.leave(self)

    def data_received(self, data: bytes) -> None:
        if self.is_over:
            return
        if self._phase is Phase.IDLE:
            self._enter(Phase.ASKING)
        self._has_spoken = True
        super().data_received(data)
        self._settle()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.is_over:
            return
        if self.conn.their_state is h11.SEND_BODY:  # refused before it came, or nobody wants it
            self.close()
        elif self._is_answering():  # the next one was here already
            self._enter(Phase.ANSWERED)
        else:
            self._enter(Phase.IDLE)

    def shutdown(self) -> None:
        if self.is_over:
            self.end()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        rest, _ = self.conn.trailing_data
        self._refuse(door.unreadable(rest))

    def _settle(self) -> None:
        """After bytes have come: has the whole request?"""
        if self._phase is not Phase.ASKING or not self._is_answering():
            return
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._enter(Phase.ANSWERED)

    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # None until the first request
        return cycle is not None and not cycle.response_complete

    def _enter(self, phase: Phase) -> None:
        self._stop_clock()
        self._phase = phase
        if phase is Phase.ANSWERED:
            self._waiting.leave(self)
        else:
            self._waiting.enter(self)
        match phase:
            case Phase.ASKING:
                self._due = self.loop.call_later(REQUEST_S, self._late)
            case Phase.ANSWERED if self.scope["path"] != self._endless:
                self._due = self.loop.call_later(ANSWER_S, self._unread)
            case Phase.OVER:
                self._due = self.loop.call_later(CLOSE_S, self.end)
            case _:  # idle: uvicorn has a clock for that
                pass

    def _stop_clock(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _late(self) -> None:
        self._waiting.ended("slow_request")
        if self._has_spoken:
            self._refuse(door.late(REQUEST_S))
        else:
            self.end()

    def _unread(self) -> None:
        self._waiting.ended("slow_answer")
        self.end()

    def _refuse(self, error: ApiError) -> None:
        """Say why there will be no answer; in the midst of another one nothing can be said."""
        if self._is_answering():
            self.end()
            return
        body = error.body()
        status = HTTPStatus(error.status)
        head = (
            f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._real.write(head.encode() + body)
        self.close()


class _Transport:
    """What uvicorn takes for its transport: closing is the connection's to do."""

    def __init__(self, real: asyncio.Transport, connection: Connection) -> None:
        self._connection = connection
        self.write = real.write
        self.resume_reading = real.resume_reading
        self._is_closing = real.is_closing

    def is_closing(self) -> bool:
        return self._connection.is_over or self._is_closing()

    def close(self) -> None:
        self._connection.close()
