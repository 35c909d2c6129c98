// The picture on the wall: before and after under one handle, zoom and pan of both together.
const $ = (id) => document.getElementById(id);
const MARGIN = 34; // pixels of wall around a picture that is seen as a whole
const NEAREST = 8; // pixels of the page for one of the photograph

const stage = $("stage"), hang = $("hang"), before = $("before"), after = $("after"), split = $("split");
const view = { width: 1, height: 1, pixels: 1, zoom: 1, x: 0, y: 0, split: 0, whole: null };
const pointers = new Map();
let gesture = null;

function box() {
  return { width: stage.clientWidth, height: stage.clientHeight };
}

function fitting() {
  const { width, height } = box();
  const margin = Math.min(MARGIN, width / 14);
  return Math.min((width - 2 * margin) / view.width, (height - 2 * margin - 8) / view.height);
}

function render() {
  const room = box(), scale = fitting() * view.zoom;
  const width = view.width * scale, height = view.height * scale;
  const slack = { x: Math.max(0, (width - room.width) / 2 + 24), y: Math.max(0, (height - room.height) / 2 + 24) };
  if (view.zoom <= 1) slack.x = slack.y = 0;
  view.x = Math.min(slack.x, Math.max(-slack.x, view.x));
  view.y = Math.min(slack.y, Math.max(-slack.y, view.y));
  const left = (room.width - width) / 2 + view.x, top = (room.height - height) / 2 + view.y;
  hang.style.width = `${width}px`;
  hang.style.height = `${height}px`;
  hang.style.transform = `translate(${left}px, ${top}px)`;
  hang.classList.toggle("near", view.zoom > 1);
  after.style.clipPath = `inset(0 0 0 ${100 * view.split}%)`;
  // Line and grip stay where they can be seen and reached, however near the picture is.
  const from = Math.max(0, -left), to = Math.min(width, room.width - left);
  split.style.left = `${Math.min(to, Math.max(from, width * view.split))}px`;
  const low = Math.max(0, -top), high = Math.min(height, room.height - top);
  split.style.setProperty("--grip", `${(low + high) / 2}px`);
  split.setAttribute("aria-valuenow", Math.round(100 * view.split));
  if (view.whole && width * devicePixelRatio > 1.1 * before.naturalWidth) sharpen();
}

// The photograph with all its pixels, where they are seen.
async function sharpen() {
  const url = view.whole, image = new Image();
  view.whole = null;
  image.src = url;
  await image.decode().catch(() => {});
  if (image.naturalWidth && view.url === url) before.src = url;
}

function zoomTo(zoom, at) {
  const room = box();
  const point = at ?? { x: room.width / 2, y: room.height / 2 };
  const next = Math.max(Math.min(1, pixelByPixel()), Math.min(NEAREST / fitting(), zoom));
  const ratio = next / view.zoom;
  view.x = (view.x - (point.x - room.width / 2)) * ratio + (point.x - room.width / 2);
  view.y = (view.y - (point.y - room.height / 2)) * ratio + (point.y - room.height / 2);
  view.zoom = next;
  render();
}

// One pixel of the picture on one of the screen.
function pixelByPixel() {
  return view.pixels / view.width / fitting() / devicePixelRatio;
}

function within(event) {
  const room = stage.getBoundingClientRect();
  return { x: event.clientX - room.left, y: event.clientY - room.top };
}

function splitAt(event) {
  const room = hang.getBoundingClientRect();
  view.split = Math.min(1, Math.max(0, (event.clientX - room.left) / room.width));
  render();
}

function spread() {
  const [a, b] = [...pointers.values()];
  return { length: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

hang.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  hang.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, within(event));
  if (pointers.size === 2) gesture = { kind: "pinch", zoom: view.zoom, ...spread() };
  else gesture = { kind: event.target.closest("#split") ? "split" : "pan", ...within(event) };
  if (gesture.kind === "split") split.focus({ preventScroll: true });
});
hang.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId) || !gesture) return;
  const now = within(event), last = pointers.get(event.pointerId);
  pointers.set(event.pointerId, now);
  if (gesture.kind === "split") splitAt(event);
  else if (gesture.kind === "pan") {
    view.x += now.x - last.x;
    view.y += now.y - last.y;
    render();
  } else if (pointers.size === 2) {
    const here = spread();
    zoomTo((gesture.zoom * here.length) / gesture.length, here);
  }
});
for (const name of ["pointerup", "pointercancel"])
  hang.addEventListener(name, (event) => {
    pointers.delete(event.pointerId);
    gesture = null;
  });
hang.addEventListener("dblclick", (event) => {
  if (!event.target.closest("#split")) zoomTo(view.zoom > 1 ? 1 : Math.max(pixelByPixel(), 2), within(event));
});
stage.addEventListener(
  "wheel",
  (event) => {
    if (hang.hidden) return;
    event.preventDefault();
    zoomTo(view.zoom * Math.exp(-event.deltaY / 400), within(event));
  },
  { passive: false },
);
// Such as those that make the whole page larger, which are the browser's.
const others = (event) => event.ctrlKey || event.metaKey || event.altKey;

hang.addEventListener("keydown", (event) => {
  if (event.target === split || others(event)) return;
  const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
  if (step && view.zoom > 1) {
    view.x += step[0];
    view.y += step[1];
    render();
  } else if (event.key === "+" || event.key === "=") zoomTo(view.zoom * 1.25);
  else if (event.key === "-") zoomTo(view.zoom / 1.25);
  else if (event.key === "0") zoomTo(1);
  else if (event.key === "1") zoomTo(pixelByPixel());
  else return;
  event.preventDefault();
});
split.addEventListener("keydown", (event) => {
  if (others(event)) return;
  const big = event.shiftKey ? 0.1 : 0.02;
  const to = {
    ArrowLeft: view.split - big, ArrowDown: view.split - big, ArrowRight: view.split + big,
    ArrowUp: view.split + big, PageUp: view.split + 0.1, PageDown: view.split - 0.1, Home: 0, End: 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  view.split = Math.min(1, Math.max(0, to));
  render();
});
$("in").onclick = () => zoomTo(view.zoom * 1.5);
$("out").onclick = () => zoomTo(view.zoom / 1.5);
$("fit").onclick = () => zoomTo(1);
$("full").onclick = () => zoomTo(pixelByPixel());
new ResizeObserver(() => hang.hidden || render()).observe(stage);

// A photograph of so many pixels is hung up, alone; `whole` has all of them.
export async function hangUp(url, whole, { width, height }, text) {
  Object.assign(view, { width, height, pixels: width, zoom: 1, x: 0, y: 0, split: 0, url: whole, whole: null });
  before.alt = text;
  after.hidden = split.hidden = true;
  after.removeAttribute("src");
  before.src = url;
  await before.decode().catch(() => {});
  stage.style.setProperty("--ratio", height / width);
  $("empty").hidden = true;
  hang.hidden = $("zoom").hidden = false;
  if (before.naturalWidth < width) view.whole = whole;
  render();
}

let loading = null, next = null;

// The painting over it; while one is being loaded only the latest of the others waits.
export async function show(url, text) {
  next = { url, text };
  if (loading) return;
  while (next) {
    loading = next;
    next = null;
    const image = new Image();
    image.src = loading.url;
    try {
      await image.decode();
      if (image.src !== after.src) after.src = image.src;
      after.alt = loading.text;
      after.hidden = split.hidden = false;
      view.pixels = image.naturalWidth;
      render();
    } catch {
      // It was replaced meanwhile.
    }
  }
  loading = null;
}

export function hideAfter() {
  next = null;
  after.hidden = split.hidden = true;
}
