// A shared worker: one line for all tabs of a browser, which opens six connections to a host and
// would keep the seventh tab black. Its name is the address. Who joins gets the newest view at
// once, with the past that a snapshot would bring; it ends with the last tab.

import { watch } from "./freshness.js";
import { Line } from "./line.js";
import { follow, start } from "./past.js";

const ports = new Set();
let view = null;
let past = start(null);

const line = new Line(self.name, (news) => {
  if (news.view) {
    view = news.view;
    past = news.whole ? start(view.past) : follow(past, view);
  }
  const told = news.view ? { view, past: news.whole ? past : null, agoMs: 0 } : news;
  for (const port of ports) port.postMessage(told);
});

self.addEventListener("connect", ({ ports: [port] }) => {
  ports.add(port);
  port.addEventListener("message", ({ data }) => {
    if (data === "leave") ports.delete(port);
    // A phone kills the line silently: whoever comes back has it looked at.
    else if (watch(line.silentMs) !== "live") line.open();
  });
  port.start();
  port.postMessage(view === null ? {} : { view, past, agoMs: line.silentMs });
});
