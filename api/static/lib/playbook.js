// A playbook as a sheet over the wall: what to do, in order. The page's own address opens it, with
// #playbook=NAME: a notice links there.

import { attr, h, text } from "./dom.js";
import { fill } from "../words/words.js";

const MARK = "#playbook=";

/** The address of a playbook on this page. */
export const addressOf = (name) => `${MARK}${encodeURIComponent(name)}`;

/** The playbook that an address names; null: none. */
export function namedBy(hash) {
  if (!hash.startsWith(MARK)) return null;
  try {
    return decodeURIComponent(hash.slice(MARK.length));
  } catch {
    return null; // half a percent sign
  }
}

export function playbook({ t, lang, campaign }) {
  const title = h("h2");
  const said = h("p");
  const steps = h("ol");
  const close = h("button.close", { type: "button", "aria-label": t.close }, "×");
  const node = h("dialog.sheet", h("header", title, close), said, steps);
  close.addEventListener("click", () => node.close());
  node.addEventListener("click", (event) => event.target === node && node.close());
  node.addEventListener("close", () => {
    if (namedBy(location.hash) === null) return;
    history.replaceState(null, "", location.pathname + location.search);
  });
  const show = (words, by, list) => {
    text(title, words);
    attr(node, "aria-label", words);
    text(said, by);
    steps.replaceChildren(...list.map((step) => h("li", step[lang])));
  };
  return {
    node,
    /** Shows what the address names, or nothing. */
    async follow() {
      const name = namedBy(location.hash);
      if (name === null) {
        node.close();
        return;
      }
      show(campaign.playbooks[name]?.[lang] ?? name, "…", []);
      if (!node.open) node.showModal();
      const found = await read(name);
      if (namedBy(location.hash) !== name) return;
      if (typeof found === "string") {
        show(name, fill(t[found], { name }), []);
        return;
      }
      const owner = campaign.departments[found.owner]?.[lang] ?? found.owner;
      const by = fill(t.playbook_by, { owner, n: found.within_minutes });
      show(found.title[lang], by, found.steps);
    },
  };
}

/** A playbook, or the word for why there is none. */
async function read(name) {
  try {
    const answer = await fetch(`api/v1/playbooks/${encodeURIComponent(name)}`);
    if (answer.ok) return await answer.json();
    return answer.status === 404 ? "no_playbook" : "playbook_away";
  } catch {
    return "playbook_away";
  }
}
