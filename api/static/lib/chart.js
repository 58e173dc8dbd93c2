// Lines as SVG paths. Pure but for `Line` and `Plot`, which hold their elements.

import { attr, s } from "./dom.js";

export const WIDTH = 1000;
export const HEIGHT = 100;
let serial = 0;

/** The range to draw: from zero when the line comes near it, else with a little air. */
export function rangeOf(points, more = []) {
  const known = [...points, ...more].filter((point) => point !== null && point !== undefined);
  if (!known.length) return [0, 1];
  const low = Math.min(...known);
  const high = Math.max(...known);
  if (low >= 0 && low <= high * 0.6) return [0, high * 1.08 || 1];
  const air = (high - low) * 0.15 || Math.abs(high) * 0.05 || 1;
  return [low - air, high + air];
}

/** The path of evenly spaced points; a gap where there is no data. */
export function linePath(points, [low, high], slots = points.length) {
  const first = slots - points.length;
  const y = (value) => HEIGHT - ((value - low) / (high - low)) * HEIGHT;
  let path = "";
  let pen = "M";
  points.forEach((point, place) => {
    if (point === null || point === undefined) {
      pen = "M";
      return;
    }
    const x = slots > 1 ? ((first + place) / (slots - 1)) * WIDTH : WIDTH;
    path += `${pen}${x.toFixed(1)} ${y(point).toFixed(2)}`;
    pen = "L";
  });
  return path;
}

/** The path of [x, y] pairs within ranges. */
export function curvePath(pairs, [left, right], [low, high]) {
  return pairs
    .map(([x, y], place) => {
      const across = ((x - left) / (right - left)) * WIDTH;
      const up = HEIGHT - ((y - low) / (high - low)) * HEIGHT;
      return `${place ? "L" : "M"}${across.toFixed(1)} ${up.toFixed(2)}`;
    })
    .join("");
}

/** The area below a path, each piece closed down to the ground. */
export function areaPath(path) {
  return path
    .split("M")
    .filter(Boolean)
    .map((piece) => {
      const xs = piece.split("L").map((pair) => pair.split(" ")[0]);
      return `M${piece}L${xs.at(-1)} ${HEIGHT}L${xs[0]} ${HEIGHT}Z`;
    })
    .join("");
}

/** An SVG that fills its box; lines keep their width. */
export function plot(className = "fill") {
  const id = `fade${(serial += 1)}`;
  const fade = s("linearGradient", { id, x1: 0, x2: 0, y1: 0, y2: 1 },
    s("stop", { offset: 0, "stop-color": "#C9D6E6", "stop-opacity": 0.2 }),
    s("stop", { offset: 1, "stop-color": "#C9D6E6", "stop-opacity": 0 }));
  const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" };
  const node = s(`svg.plot.${className}`, { ...box, "aria-hidden": "true" }, s("defs", fade));
  return { node, fill: `url(#${id})` };
}

/** A sparkline over the last ten minutes. */
export function spark(className = "spark") {
  const { node, fill } = plot(className);
  const area = s("path", { fill });
  const line = s("path.line");
  node.append(area, line);
  return {
    node,
    update(points, slots) {
      const path = linePath(points ?? [], rangeOf(points ?? []), slots);
      attr(line, "d", path);
      attr(area, "d", areaPath(path));
    },
  };
}
