// The wall of paintings: those of the gallery, and one's own.
import * as api from "./api.js";
import { words } from "./words.js";

const list = document.getElementById("paintings");

function element(tag, properties = {}, ...children) {
  const found = Object.assign(document.createElement(tag), properties);
  found.append(...children);
  return found;
}

export function titleOf(painting) {
  return painting.own ? words.own_painting : painting.title;
}

export function lineOf(painting) {
  return painting.own ? words.own_line : `${painting.painter}, ${painting.year}`;
}

function hung(painting, actions) {
  const image = element("img", { alt: "", loading: "lazy", draggable: false, src: api.paintingAt(painting.id) });
  const name = element("span", { className: "name" }, titleOf(painting));
  const line = element("span", { className: "line" }, lineOf(painting));
  const button = element("button", { type: "button", className: "painting" }, element("span", { className: "frame" }, image), name, line);
  button.dataset.id = painting.id;
  button.setAttribute("aria-pressed", "false");
  button.onclick = () => actions.pick(painting);
  const item = element("li", {}, button);
  if (painting.own) {
    const down = element("button", { type: "button", className: "down", title: words.take_down }, "×");
    down.setAttribute("aria-label", words.take_down);
    down.onclick = () => actions.takeDown(painting);
    item.append(down);
  }
  return item;
}

export function drawWall(paintings, actions) {
  const add = element("button", { type: "button", className: "painting add" }, element("span", { className: "frame" }, element("span", {}, "+")), element("span", { className: "name" }, words.add_short));
  add.setAttribute("aria-label", words.add_own);
  add.onclick = actions.add;
  list.replaceChildren(...paintings.map((one) => hung(one, actions)), element("li", {}, add));
}

export function markPaintings(ids) {
  for (const one of list.querySelectorAll("[data-id]")) one.setAttribute("aria-pressed", String(ids.includes(one.dataset.id)));
}
