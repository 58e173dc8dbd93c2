// The stream as a page sees it: over the worker of all tabs, or where there is none a line of its
// own; and how far what it brings may be believed, by the page's own watch.

import { watch } from "./freshness.js";
import { Line } from "./line.js";
import { start } from "./past.js";

const TICK_MS = 500;
const WORKER_MS = 4_000;

export class Stream {
  #heardMs = performance.now();
  #line = null;
  tries = 0;

  /** `onView(view, past, agoMs)` for each view, with the whole past where it begins anew;
   * `onState(state)` when it changes. */
  constructor(address, onView, onState) {
    this.address = new URL(address, document.baseURI).href;
    this.onView = onView;
    this.onState = onState;
    this.state = "waiting";
    this.#come();
    setInterval(() => this.#tick(), TICK_MS);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#line.look();
    });
    addEventListener("pagehide", () => this.#line.leave());
    addEventListener("pageshow", (event) => event.persisted && this.#come());
  }

  get silentMs() {
    return performance.now() - this.#heardMs;
  }

  #come() {
    const take = (news) => this.#take(news);
    const alone = () => {
      this.#line = ownLine(this.address, take);
    };
    try {
      this.#line = sharedLine(this.address, take, alone);
    } catch {
      alone();
    }
  }

  #take({ view, past, agoMs, tries }) {
    if (tries !== undefined) this.tries = tries;
    if (!view) return;
    this.#heardMs = performance.now() - agoMs;
    this.#judge();
    if (this.state === "live") this.tries = 0;
    this.onView(view, past, agoMs);
  }

  #tick() {
    if (this.state !== "waiting") this.#judge();
  }

  #judge() {
    const found = watch(this.silentMs);
    this.#tell(found === "reopen" ? "offline" : found);
  }

  #tell(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }
}

function ownLine(address, take) {
  const line = new Line(address, (news) =>
    take({ ...news, past: news.whole ? start(news.view.past) : null, agoMs: 0 }));
  // A phone kills the line silently: whoever comes back gets a new one, whatever the state says.
  return { look: () => line.open(), leave: () => line.close() };
}

/** A line shared with the other tabs; `alone()` when the worker does not come up. */
function sharedLine(address, take, alone) {
  const script = new URL("tabs.js", import.meta.url);
  const worker = new SharedWorker(script, { type: "module", name: address });
  const { port } = worker;
  let isOver = false;
  const leave = () => {
    isOver = true;
    clearTimeout(patience);
    port.postMessage("leave");
    port.close();
  };
  const giveUp = () => {
    if (isOver) return;
    leave();
    alone();
  };
  const patience = setTimeout(giveUp, WORKER_MS);
  worker.addEventListener("error", giveUp);
  port.addEventListener("message", ({ data }) => {
    clearTimeout(patience);
    if (!isOver) take(data);
  });
  port.start();
  return { look: () => port.postMessage("look"), leave };
}
