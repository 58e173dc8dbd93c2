"""Waits until a process tree is up: its own apis answer, and what ends by itself has ended."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fenghuo.deploy.up.supervisor import Child

READY_S_MAX = 180.0
"""Compiling at the first start of ten processes on two busy cores takes more than a minute."""


@dataclass(frozen=True)
class Api:
    """Where a lane's api answers, and which process it is: another one may answer there."""

    url: str
    child: Child


def await_ready(
    apis: Sequence[Api],
    children: Sequence[Child],
    stop: threading.Event,
    say: Callable[[str], None],
) -> bool:
    """Wait until every api says ready; a part that dies meanwhile is told with its last words."""
    began_s = time.monotonic()
    waiting = ""
    while not stop.is_set():
        for child in children:
            if child.code() is not None and not child.is_done:
                say(f"{child.name} ended with {child.code()} while starting:\n{child.tail()}")
                return False
        now = next(filter(None, (*map(_state, apis), *map(_unfinished, children))), "")
        if now == "":
            say(f"all parts up after {time.monotonic() - began_s:.1f} s")
            return True
        if now != waiting:
            waiting = now
            say(f"starting: {now}")
        if time.monotonic() - began_s > READY_S_MAX:
            say(f"not ready within {READY_S_MAX:.0f} s: {now}; see {children[0].log.parent}/*.log")
            return False
        stop.wait(0.1)
    return False


def _state(api: Api) -> str:
    """Empty when ready, else what is being waited for."""
    try:
        with urllib.request.urlopen(api.url + "readyz", timeout=2) as answer:
            pid = json.load(answer).get("pid")
    except urllib.error.HTTPError:
        return "api answers, waiting for the first board"
    except (urllib.error.URLError, OSError, ValueError):
        return "broker, store, workers, api"
    return "" if pid == api.child.pid else f"another program answers at {api.url}"


def _unfinished(child: Child) -> str:
    return f"{child.name} sums of the store" if child.ends and not child.is_done else ""
