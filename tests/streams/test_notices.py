"""The receiver: a line for each alert, a refusal for anything else, and a clean end."""

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fenghuo.streams import notices
from tests.parts.process import free_port

ALERT = {
    "status": "firing",
    "labels": {"severity": "red", "alertname": "PaymentFailureRate", "scope": "region=south"},
    "annotations": {"summary_en": "Red: Payment\nfailure at 71", "panel": "http://page/?rule=x"},
}
NOTICE = {"version": "4", "status": "firing", "alerts": [ALERT, ALERT | {"status": "resolved"}]}
LINE = "firing red PaymentFailureRate region=south Red: Payment failure at 71 http://page/?rule=x"


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """A receiver in a thread of its own, and what it said."""
    said: list[str] = []
    server = notices.server(free_port(), said.append)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/notices", said
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(url: str, body: bytes) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_each_alert_is_one_line() -> None:
    assert notices.lines(NOTICE) == [LINE, LINE.replace("firing", "resolved")]


def test_what_alertmanager_sends_is_said_and_what_it_does_not_send_is_refused() -> None:
    with receiver() as (url, said):
        assert send(url, json.dumps(NOTICE).encode()) == 204
        for stranger in (b"no JSON", b"[]", b'{"alerts": [{}]}', b'{"alerts": 7}', b"null"):
            assert send(url, stranger) == 400
        assert send(url, b"") == 413

    assert said == notices.lines(NOTICE)


def test_a_signal_ends_it_cleanly() -> None:
    port = free_port()
    code = f"from fenghuo.streams import notices as n; n.serve({port}, lambda s: print(s, flush=1))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"fenghuo notices: ready at http://127.0.0.1:{port}/\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.mark.parametrize("size", ["-1", str(notices.BODY_BYTES_MAX + 1)])
def test_a_body_without_end_is_not_read(size: str) -> None:
    with receiver() as (url, said):
        asked = urllib.request.Request(url, b"{}", {"Content-Length": size})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=10)
        refused.value.close()

    assert refused.value.code == 413
    assert said == []
