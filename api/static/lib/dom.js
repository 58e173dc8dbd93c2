// Elements by hand. Text from data goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: h("div.panel.big", {title}, child, "text"). */
export function h(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  return filled(document.createElement(tag || "div"), classes, rest);
}

/** The same for SVG. */
export function s(name, ...rest) {
  const [tag, ...classes] = name.split(".");
  return filled(document.createElementNS(SVG, tag), classes, rest);
}

/** Set text only when it changed: an untouched node costs no layout. */
export function text(node, value) {
  const made = value === null || value === undefined ? "" : String(value);
  if (node.textContent !== made) node.textContent = made;
  return node;
}

/** Set an attribute only when it changed; null takes it away. */
export function attr(node, name, value) {
  if (value === null || value === undefined) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
  return node;
}

/** Keep one child per key, in this order; `make(item)` gives {node, update(item)}. */
export function keyed(parent, kept, items, keyOf, make) {
  const seen = new Set();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    seen.add(key);
    if (!kept.has(key)) kept.set(key, make(item));
    const row = kept.get(key);
    row.update(item);
    if (row.node === place) place = place.nextSibling;
    else parent.insertBefore(row.node, place);
  }
  for (const [key, row] of kept) {
    if (!seen.has(key)) {
      row.node.remove();
      kept.delete(key);
    }
  }
}

function filled(node, classes, rest) {
  if (classes.length) node.setAttribute("class", classes.join(" "));
  for (const part of rest.flat()) {
    if (part === null || part === undefined) continue;
    if (part instanceof Node) node.append(part);
    else if (typeof part === "object") {
      for (const [name, value] of Object.entries(part)) attr(node, name, value);
    } else node.append(document.createTextNode(String(part)));
  }
  return node;
}
