"""The row about asking: what becomes of the live stream while heavy questions are asked and pages
are opened.

Questions and pages come from a process of their own, run as `python -m
tests.bench.rows.asking URL SECONDS`, which prints one JSON object: a viewer beside them in
one interpreter would be held up by them, and not by the api.
"""

import asyncio
import itertools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from fenghuo.loadtest.watch.watch import View, Viewer, delays_ms, quantile
from fenghuo.schemas.store import tables
from fenghuo.schemas.store.port import connect
from tests.bench.feed.pulses import block
from tests.bench.parts import FENGHUO, Bench, PartError, Process, get
from tests.bench.report import Figure
from tests.bench.rows.live import LIVE_RATE_PER_S, known, up

ASKERS: Final = 8
PAGES: Final = 60
AGAIN_S: Final = 1.0
"""So long after all pages live they are opened anew, all at once."""
DAY_S: Final = 86_400
FIRST_S: Final = 20_000 * DAY_S
"""The day that is asked for; nothing else lies there."""
BLOCK_S: Final = 3_600
SPAN_S: Final = 20_000
"""So many rows of seconds an answer may have."""
ANSWER_S: Final = 30.0
FLOWS_S_MAX: Final = 60
"""Until the first events are shown; beside others all parts compile slowly."""
POINTS: Final = 240
"""Of the page's curve."""
MORE: Final = re.compile(r"""(?:src|href|from|import)[=\s(]*["']([\w./@-]+\.(?:js|css|svg))["']""")


def asking(bench: Bench) -> list[Figure]:
    """The live stream alone, and under eight heavy questions and sixty pages, turn by turn."""
    seconds = bench.size(20, 10)
    alone: list[float] = []
    asked: list[float] = []
    pauses: list[float] = []
    told: list[dict[str, Any]] = []
    with up(bench) as (tree, url, _):
        health = json.loads(get(url + "healthz"))
        _fill(health["store"])
        lasts = FLOWS_S_MAX + bench.rounds * (2 * seconds + 10)
        load = [*FENGHUO, "load", "--real", "--no-watch", "--rate", str(LIVE_RATE_PER_S)]
        load += ["--seconds", str(lasts)]
        with (
            Process("load", load, bench.folder, {"FENGHUO_KAFKA": health["kafka"]}) as sender,
            Viewer(url) as viewer,
        ):
            sender.until(lambda: bool(delays_ms(viewer.views, "order")), FLOWS_S_MAX, "events")
            time.sleep(bench.size(15, 8))  # windows fill, compiled parts load
            for _ in range(bench.rounds):
                alone.append(known(quantile(_fresh(viewer, seconds)[0], 0.99)))
                found, fresh, pause_ms = _under_questions(bench, url, viewer, seconds)
                told.append(found)
                asked.append(known(quantile(fresh, 0.99)))
                pauses.append(pause_ms)
            sender.check()
        rss = tree.rss_mib()
    codes = sum((Counter(found["codes"]) for found in told), Counter[str]())
    note = (
        f"{LIVE_RATE_PER_S} single JSON messages/s on the embedded pair, {seconds} s a round and "
        f"kind; {ASKERS} questions at a time over a day of {DAY_S * 18} rows, answered "
        f"{', '.join(f'{code}: {many}' for code, many in sorted(codes.items()))}; {PAGES} pages at "
        f"once, again and again ({sum(found['pages'] for found in told)} in all), each with its "
        "files, history and stream"
    )
    pages = tuple(float(found["page_p99_ms"]) for found in told)
    ratio = tuple(there / free for there, free in zip(asked, alone, strict=True))
    return [
        Figure("event to page, p99, alone", "ms", tuple(alone), (), (), rss, note),
        Figure("event to page, p99, under questions and pages", "ms", tuple(asked)),
        Figure("under questions to alone", "times", ratio),
        Figure("longest pause between two views under them", "ms", tuple(pauses)),
        Figure("a page until its first view, p99", "ms", pages),
    ]


def pause_ms(views: list[tuple[int, View]]) -> int:
    """The longest time between the arrivals of two views."""
    return max((late[0] - early[0] for early, late in itertools.pairwise(views)), default=0)


def _fresh(viewer: Viewer, seconds: float) -> tuple[list[int], int]:
    """Delays of what becomes visible from now on, and the longest pause between views."""
    seen = len(viewer.views)
    time.sleep(seconds)
    views = list(viewer.views)[max(seen - 1, 0) :]
    return delays_ms(views, "order"), pause_ms(views)


def _under_questions(
    bench: Bench, url: str, viewer: Viewer, seconds: int
) -> tuple[dict[str, Any], list[int], int]:
    command = [sys.executable, "-m", "tests.bench.rows.asking", url, str(seconds + 2)]
    with Process("asking", command, bench.folder) as asker:
        asker.until(lambda: asker.said("asking"), 30, "questions")
        fresh, pause = _fresh(viewer, seconds)
        deadline = time.monotonic() + 2 * ANSWER_S
        while not asker.said("}"):
            if time.monotonic() > deadline:
                raise PartError(f"asking: no answer: {asker.tail()}")
            time.sleep(0.1)
        found: dict[str, Any] = json.loads(asker.log.read_text().splitlines()[-1])
    return found, fresh, pause


def _fill(url: str) -> None:
    """A day of seconds of traffic, every series of the campaign in each."""
    store = connect(url)
    try:
        columns = block("traffic", BLOCK_S, FIRST_S)
        for _ in range(DAY_S // BLOCK_S):
            store.insert(tables.PULSE_TABLE["traffic"], columns)
            columns["second_ms"] = columns["second_ms"] + BLOCK_S * 1000
    finally:
        store.close()


def questions() -> Iterator[str]:
    """Heavy ones without end, none like another: the most rows that are answered, a day by minute
    and system, a long history, and one day by second, which is refused for its size.
    """
    day = f"from_ms={FIRST_S * 1000}&to_ms={(FIRST_S + DAY_S) * 1000}"
    for number in itertools.count():
        from_s = FIRST_S + number * 997 % (DAY_S - SPAN_S)
        span = f"from_ms={from_s * 1000}&to_ms={(from_s + SPAN_S) * 1000}"
        to_ms = (FIRST_S + DAY_S) * 1000 - number % DAY_S * 1000
        yield f"api/v1/totals?kind=traffic&by=second&{span}"
        yield f"api/v1/totals?kind=traffic&by=minute,system&from_ms={FIRST_S * 1000}&to_ms={to_ms}"
        yield f"api/v1/history?metric=traffic.latency_p99_ms&step=60&by=system&{span}"
        yield f"api/v1/totals?kind=traffic&by=second&{day}"


class Link:
    """One kept connection to the api, as a browser has them."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an address."""
        async with asyncio.timeout(ANSWER_S):
            reader = await self.send(path)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = re.search(r"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
        return int(head.split(maxsplit=2)[1]), body

    async def send(self, path: str) -> asyncio.StreamReader:
        """Ask; what comes is to be read."""
        place = self._place
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection(
                place.hostname, place.port, limit=16 << 20
            )
        reader, writer = self._streams
        words = f"GET {place.path}{path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n"
        writer.write(words.encode())
        return reader

    def close(self) -> None:
        """Leave."""
        if self._streams:
            self._streams[1].close()


class Client:
    """Those who ask, and those who look."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.codes: Counter[str] = Counter()
        self.pages_ms: list[int] = []

    async def ask_on(self, asked: Iterator[str]) -> None:
        """One question after the other, until cancelled."""
        link = Link(self._url)
        try:
            while True:
                status, _ = await link.get(next(asked))
                self.codes[str(status)] += 1
        finally:
            link.close()

    async def open_on(self) -> None:
        """All pages at once, and again when all of them live, until cancelled."""
        while True:
            links = [Link(self._url) for _ in range(2 * PAGES)]
            try:
                pages = zip(links[::2], links[1::2], strict=True)
                await asyncio.gather(*(self._page(*both) for both in pages))
                await asyncio.sleep(AGAIN_S)
            finally:
                for link in links:
                    link.close()

    async def _page(self, link: Link, live: Link) -> None:
        """One page: itself, its files, the campaign, the stream's first view; then its curve."""
        began_s = time.monotonic()
        seen, todo = {""}, [""]
        while todo:
            name = todo.pop()
            _, body = await link.get(name)
            for found in MORE.findall(body.decode()):
                one = urljoin(name, found)
                if one not in seen:
                    seen.add(one)
                    todo.append(one)
        _, campaign = await link.get("api/v1/campaign")
        async with asyncio.timeout(ANSWER_S):
            reader = await live.send("api/v1/stream?gz=0")
            await reader.readuntil(b"event: snapshot")
        self.pages_ms.append(round((time.monotonic() - began_s) * 1000))
        await link.get(f"api/v1/history?metric=order.paid_amount_fen&{_span(campaign)}")


def _span(campaign: bytes) -> str:
    """What the page asks for at first: the campaign so far, in some hundred steps."""
    told = json.loads(campaign)
    start_ms, now_ms = told["start_ms"], time.time_ns() // 10_000_000_000 * 10_000
    end_ms = max(min(now_ms, told["end_ms"]), start_ms + 1_000)
    step_s = min(DAY_S, -(-(end_ms - start_ms) // (POINTS * 1_000)))
    return f"from_ms={start_ms}&to_ms={end_ms}&step={step_s}"


async def ask(url: str, seconds: float) -> dict[str, Any]:
    """Questions and pages for some seconds, or until the first pages live."""
    client, asked = Client(url), questions()
    work = [asyncio.ensure_future(client.ask_on(asked)) for _ in range(ASKERS)]
    work.append(asyncio.ensure_future(client.open_on()))
    print("asking", flush=True)
    done, _ = await asyncio.wait(work, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    end_s = time.monotonic() + ANSWER_S
    while not (done or client.pages_ms) and time.monotonic() < end_s:
        await asyncio.sleep(0.1)
    for one in work:
        one.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    for one in done:
        one.result()
    if not client.pages_ms:
        raise PartError("no page was opened")
    page_ms = quantile(client.pages_ms, 0.99)
    return {"codes": client.codes, "pages": len(client.pages_ms), "page_p99_ms": page_ms}


def main() -> None:
    """Arguments in, one JSON object out."""
    print(json.dumps(asyncio.run(ask(sys.argv[1], float(sys.argv[2])))), flush=True)


if __name__ == "__main__":
    main()
