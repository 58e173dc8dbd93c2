// The stream with its own watchdog: an EventSource that lost its line may stay silent for ever.

import { jitter, watch } from "./freshness.js";

const TICK_MS = 500;

export class Stream {
  #source = null;
  #heardMs = performance.now();
  #serverMs = 0;
  #opening = null;
  tries = 0;

  /** `onView(view, snapshot)` for each event, newest only; `onState(state)` when it changes. */
  constructor(address, onView, onState) {
    this.address = address;
    this.onView = onView;
    this.onState = onState;
    this.state = "waiting";
    this.open();
    setInterval(() => this.#tick(), TICK_MS);
    // A phone kills the line silently: whoever comes back gets a new one, whatever the state says.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.open();
    });
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  get silentMs() {
    return performance.now() - this.#heardMs;
  }

  open() {
    clearTimeout(this.#opening);
    this.#opening = null;
    this.#source?.close();
    const source = new EventSource(this.address);
    this.#source = source;
    source.addEventListener("snapshot", (event) => this.#take(source, event, true));
    source.addEventListener("view", (event) => this.#take(source, event, false));
    source.addEventListener("error", () => {
      if (source === this.#source && source.readyState === EventSource.CLOSED) this.#later();
    });
  }

  #take(source, event, whole) {
    const view = JSON.parse(event.data);
    if (source !== this.#source || view.server_ms < this.#serverMs) return;
    this.#serverMs = view.server_ms;
    this.#heardMs = performance.now();
    this.tries = 0;
    this.#tell("live");
    this.onView(view, whole);
  }

  #tick() {
    const found = watch(this.silentMs);
    if (found === "live") return;
    if (this.state !== "waiting") this.#tell(found === "reopen" ? "offline" : "late");
    if (found === "reopen") this.#later();
  }

  #later() {
    if (this.#opening !== null) return;
    // Another api may answer, with a clock of its own.
    this.#serverMs = 0;
    this.tries += 1;
    this.#opening = setTimeout(() => this.open(), jitter(Math.random()));
  }

  #tell(state) {
    if (state === this.state) return;
    this.state = state;
    this.onState(state);
  }
}
