// The books: what became of every event, and up to when the numbers count.

import { h, text } from "../lib/dom.js";
import { clock, whole } from "../lib/format.js";

export function books(ctx) {
  const { t, campaign } = ctx;
  const rows = Object.fromEntries(
    ["order", "traffic", "complaint"].map((kind) => [kind, book(t, kind)]),
  );
  const asOf = h("b.n");
  const node = h("footer.books", h("h2", t.books), Object.values(rows).map((row) => row.node),
    h("span.space"), h("span", `${t.as_of} `, asOf));
  return {
    node,
    update({ view }) {
      const offset = campaign.utc_offset_minutes;
      for (const kind of view.kinds) rows[kind.kind]?.update(kind, offset);
      text(asOf, clock(view.as_of_ms, offset));
    },
  };
}

function book(t, kind) {
  const part = (label) => {
    const value = h("b.n");
    return { value, node: h("span", `${label} `, value) };
  };
  const accepted = part(t.accepted);
  const late = part(t.late_events);
  const refused = part(t.refused);
  const settled = part(t.settled);
  const parts = [accepted, late, refused, settled].map((one) => one.node);
  return {
    node: h("div.book", h("strong", t[kind]), parts),
    update(found, offset) {
      text(accepted.value, whole(found.accepted));
      text(late.value, whole(found.late));
      text(refused.value, whole(found.refused));
      text(settled.value, clock(found.watermark_ms, offset));
    },
  };
}
