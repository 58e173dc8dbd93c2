// A level as people see it: shape, letter, colour and height together, never the hue alone.

import { attr, h, s } from "./dom.js";

const SHAPES = {
  ring: () => [
    s("circle", { cx: 12, cy: 12, r: 9.6, fill: "none", stroke: "currentColor",
      "stroke-width": 2 }),
    s("path", {
      d: "M8 12.300l2.800 2.700 5.200-5.600", fill: "none", stroke: "currentColor",
      "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round",
    }),
  ],
  disc: () => [s("circle", { cx: 12, cy: 12, r: 11, fill: "currentColor" })],
  "rounded-square": () => [
    s("rect", { x: 1.5, y: 1.5, width: 21, height: 21, rx: 4.5, fill: "currentColor" }),
  ],
  triangle: () => [
    s("path", { d: "M12 1.600 23.200 21.400a1 1 0 0 1-.9 1.500H1.700a1 1 0 0 1-.9-1.500z",
      fill: "currentColor" }),
  ],
  diamond: () => [s("path", { d: "M12 .4 23.600 12 12 23.600.4 12z", fill: "currentColor" })],
  octagon: () => [
    s("path", { d: "M7.400 1h9.200L23 7.400v9.200L16.600 23H7.400L1 16.600V7.400z",
      fill: "currentColor" }),
  ],
  unknown: () => [
    s("circle", { cx: 12, cy: 12, r: 9.6, fill: "none", stroke: "currentColor",
      "stroke-width": 2, "stroke-dasharray": "3 3.200" }),
    s("path", { d: "M8.500 12h7", stroke: "currentColor", "stroke-width": 2 }),
  ],
  learning: () => [
    s("circle", { cx: 12, cy: 12, r: 9.6, fill: "none", stroke: "currentColor",
      "stroke-width": 2, "stroke-dasharray": "1 3.020", "stroke-linecap": "round" }),
    ...[8, 12, 16].map((cx) => s("circle", { cx, cy: 12, r: 1.3, fill: "currentColor" })),
  ],
  suspended: () => [
    s("rect", { x: 2.4, y: 2.4, width: 19.2, height: 19.2, rx: 4.5, fill: "none",
      stroke: "currentColor", "stroke-width": 2 }),
    s("path", { d: "M9.500 8v8M14.500 8v8", stroke: "currentColor", "stroke-width": 2.4,
      "stroke-linecap": "round" }),
  ],
};
const LETTER_Y = { triangle: 20, diamond: 16.1 };
const LETTER_SIZE = { triangle: 10.5, diamond: 11 };

/** The sign of a level; `levels` is the campaign's table. Without a level, or where none is judged
 * now and none was open, it is that of the state. */
export function sign(level, levels, lang, t, state = "graded") {
  const isPaused = state === "learning" || state === "suspended";
  const look = level === null || (isPaused && level === 0) ? null : levels[level];
  const shape = look?.shape ?? (isPaused ? state : "unknown");
  const name = look ? look.title[lang] : isPaused ? t[state] : t.unknown;
  const node = s(`svg.sign.lv${look ? level : "n"}`, { viewBox: "0 0 24 24", role: "img" });
  attr(node, "aria-label", name);
  node.append(...(SHAPES[shape] ?? SHAPES.unknown)());
  if (look?.letter[lang]) {
    node.append(
      s("text", {
        x: 12, y: LETTER_Y[shape] ?? 16.4, "text-anchor": "middle",
        "font-size": LETTER_SIZE[shape] ?? 12.5, "font-weight": 700,
      }, look.letter[lang]),
    );
  }
  return node;
}

/** A place for a sign that is drawn anew only when the level or the state changes. */
export function signPlace(className, levels, lang, t) {
  const node = h(`span.${className}`);
  let shown;
  return {
    node,
    update(level, state = "graded") {
      const asked = `${level} ${state}`;
      if (asked === shown) return;
      shown = asked;
      node.replaceChildren(sign(level, levels, lang, t, state));
    },
  };
}

/** The height of a level: five steps, as many filled as it is high. */
export function stairs() {
  const steps = [1, 2, 3, 4, 5].map((step) => h(`i.h${step}`));
  const node = h("span.stairs", { "aria-hidden": "true" }, steps);
  return {
    node,
    update(level) {
      attr(node, "class", `stairs lv${level ?? "n"}`);
      steps.forEach((step, place) => step.classList.toggle("on", level > place));
    },
  };
}
