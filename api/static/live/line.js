// One line to the api, of a page of its own or of all tabs together, with its watchdog: an
// EventSource that lost its line may stay silent for ever.

import { jitter, watch } from "./freshness.js";

const TICK_MS = 500;

export class Line {
  #source = null;
  #heardMs = performance.now();
  #serverMs = 0;
  #opening = null;
  #tries = 0;
  #ticking = null;

  /** `tell({ view, whole })` for each event, newest only; `tell({ tries })` before each new try. */
  constructor(address, tell) {
    this.address = address;
    this.tell = tell;
    this.open();
  }

  get silentMs() {
    return performance.now() - this.#heardMs;
  }

  open() {
    this.close();
    this.#ticking = setInterval(() => watch(this.silentMs) === "reopen" && this.#later(), TICK_MS);
    const source = new EventSource(this.address);
    this.#source = source;
    source.addEventListener("snapshot", (event) => this.#take(source, event, true));
    source.addEventListener("view", (event) => this.#take(source, event, false));
    source.addEventListener("error", () => {
      if (source === this.#source && source.readyState === EventSource.CLOSED) this.#later();
    });
  }

  close() {
    clearInterval(this.#ticking);
    clearTimeout(this.#opening);
    this.#opening = null;
    this.#source?.close();
    this.#source = null;
  }

  #take(source, event, whole) {
    const view = JSON.parse(event.data);
    if (source !== this.#source || view.server_ms < this.#serverMs) return;
    this.#serverMs = view.server_ms;
    this.#heardMs = performance.now();
    this.#tries = 0;
    this.tell({ view, whole });
  }

  #later() {
    if (this.#opening !== null) return;
    // Another api may answer, with a clock of its own.
    this.#serverMs = 0;
    this.#tries += 1;
    this.tell({ tries: this.#tries });
    this.#opening = setTimeout(() => this.open(), jitter(Math.random()));
  }
}
