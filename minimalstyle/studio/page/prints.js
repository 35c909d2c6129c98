// In full quality: what sizes take, and the works in the queue.
import * as api from "./api.js";
import { duration, memory, words } from "./words.js";

const $ = (id) => document.getElementById(id);
const dialog = $("prints");
const SIZES = [1024, 1536, 2048, 3072, 4096, 6144, 8192];
let asked = 0;

function element(tag, properties = {}, ...children) {
  const found = Object.assign(document.createElement(tag), properties);
  found.append(...children);
  return found;
}

// The photograph's own size, and some that are smaller.
function sizesFor(photo) {
  const own = Math.min(Math.max(photo.width, photo.height), 20000);
  return [...SIZES.filter((one) => one < 0.9 * own).slice(-5), own];
}

function sizeItem(one, begin) {
  const can = one.seconds !== undefined && one.fits;
  const size = element("strong", {}, words.printed(one.width, one.height));
  let line = "";
  if (one.seconds !== undefined)
    line = one.fits ? words.plan_line(duration(one.seconds), memory(one.memory)) : words.too_large(memory(one.memory));
  const button = element("button", { type: "button", disabled: !can }, size, element("span", {}, line));
  button.onclick = () => begin(one.size);
  return element("li", {}, button);
}

// Ask what sizes take, and let one be chosen: `begin(size)`.
export async function openPrints(wish, begin) {
  const number = ++asked;
  if (!dialog.open) dialog.showModal();
  $("sizes").replaceChildren();
  $("sizes-note").textContent = "";
  if (!wish) return;
  const sizes = sizesFor(wish.photo), longer = Math.max(wish.photo.width, wish.photo.height);
  const scaled = (side, size) => Math.round((side * size) / longer);
  const list = sizes.map((size) => ({ size, width: scaled(wish.photo.width, size), height: scaled(wish.photo.height, size) }));
  $("sizes").replaceChildren(...list.map((one) => sizeItem(one, begin)));
  $("sizes-note").textContent = words.planning;
  try {
    const plans = await api.plan({ photo: wish.photo.id, paintings: wish.paintings, settings: wish.settings, tab: wish.tab, sizes });
    if (number !== asked) return;
    $("sizes").replaceChildren(...plans.map((one) => sizeItem(one, begin)));
    $("sizes-note").textContent = words.plan_note;
  } catch (error) {
    if (number === asked) $("sizes-note").textContent = words.failed(error.message);
  }
}

export function closePrints() {
  dialog.close();
}

function stateOf(work) {
  if (work.state === "painting")
    return work.text || words.painting(Math.round(100 * work.fraction), work.left === null ? "" : duration(work.left));
  return { waiting: words.waiting, done: work.early ? words.early : words.done, stopped: words.stopped, failed: words.failed(work.text) }[work.state];
}

function job(work, titles, actions) {
  const item = element("li", {});
  item.dataset.id = work.id;
  const image = element("img", { alt: "", className: "thumb" });
  const title = element("strong", {}), line = element("span", { className: "line" }), bar = element("progress", { max: 1 });
  bar.setAttribute("aria-label", words.progress);
  const buttons = element("div", { className: "row" });
  item.append(image, element("div", {}, title, line, bar, buttons));
  item.update = (now) => {
    title.textContent = `${titles(now.paintings)}, ${now.settings.size} px`;
    line.textContent = stateOf(now);
    bar.value = now.fraction;
    bar.hidden = now.state !== "painting";
    const source = now.version ? api.pictureOf(now) : api.photoAt(now.photo);
    if (image.getAttribute("src") !== source && (now.state !== "painting" || now.version % 8 === 1 || !now.version)) image.src = source;
    if (item.state === now.state) return;
    item.state = now.state;
    const ended = !["waiting", "painting"].includes(now.state);
    const end = element("button", { type: "button", className: "quiet" }, ended ? words.remove : words.cancel);
    end.onclick = () => actions.stop(now);
    const found = [end];
    if (now.state === "painting") {
      const keep = element("button", { type: "button", className: "quiet" }, words.keep);
      keep.onclick = () => actions.keep(now);
      found.unshift(keep);
    }
    if (now.state === "done") {
      for (const kind of ["tif", "jpg", "png"]) found.unshift(element("a", { href: api.fileOf(now, kind), download: actions.nameOf(now, kind) }, words[kind]));
      const look = element("button", { type: "button", className: "quiet" }, words.show);
      look.onclick = () => actions.show(now);
      found.unshift(look);
    }
    buttons.replaceChildren(...found);
  };
  return item;
}

export function drawPrints(works, titles, actions) {
  const prints = works.filter((one) => one.kind === "print");
  const list = $("jobs"), there = new Map([...list.children].map((one) => [one.dataset.id, one]));
  for (const one of prints) {
    const item = there.get(one.id) ?? job(one, titles, actions);
    if (!there.has(one.id)) list.prepend(item);
    there.delete(one.id);
    item.update(one);
  }
  for (const one of there.values()) one.remove();
  $("none").hidden = prints.length > 0;
  const busy = prints.filter((one) => ["waiting", "painting"].includes(one.state)).length;
  $("queue").hidden = prints.length === 0;
  $("queue").textContent = busy ? words.queue_button(busy) : words.queue_done;
}
