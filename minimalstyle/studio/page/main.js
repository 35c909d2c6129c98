// The page: what is chosen, what is asked for, what is shown.
import * as api from "./api.js";
import { makeKnobs } from "./knobs.js";
import { closePrints, drawPrints, openPrints } from "./prints.js";
import { hangUp, hideAfter, show } from "./stage.js";
import { drawWall, lineOf, markPaintings, titleOf } from "./wall.js";
import { duration, fill, words } from "./words.js";

const $ = (id) => document.getElementById(id);
const SIZE = 512; // of a draft
const PATIENCE = 120; // milliseconds until a slider that rests is heard
const state = { tab: "", photo: null, name: "", paintings: [], settings: {}, work: null };
let known = { wall: [], settings: [], most_bytes: 64e6 };
let works = [], setKnobs = () => {}, timer = null, sending = false, again = false;

// --- Kept for a reload --------------------------------------------------------------------------

function keep() {
  const { tab, photo, name, paintings, settings, work } = state;
  sessionStorage.setItem("studio", JSON.stringify({ tab, photo, name, paintings, settings, work: work?.id }));
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem("studio")) ?? {};
  } catch {
    return {};
  }
}

// --- Words to the user --------------------------------------------------------------------------

let toastTimer = null;

function say(text, action) {
  const toast = $("toast"), button = toast.querySelector("button");
  ($("prints").open ? $("prints") : document.body).append(toast); // nothing is seen above a dialog
  requestAnimationFrame(() => (toast.querySelector("p").textContent = text)); // once it is seen it is read aloud
  button.hidden = !action;
  if (action) {
    button.textContent = action.text;
    button.onclick = () => {
      toast.hidden = true;
      action.run();
    };
  }
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), action ? 12000 : 7000);
}

const trying = (run) => (...values) => run(...values).catch((error) => say(error.message));

function status(text, fraction = null) {
  if ($("status").textContent !== text) $("status").textContent = text;
  $("progress").hidden = fraction === null;
  if (fraction !== null) $("progress").value = fraction;
}

function paintingOf(id) {
  return known.wall.find((one) => one.id === id);
}

function titleFor(ids) {
  const titles = ids.map((id) => (paintingOf(id) ? titleOf(paintingOf(id)) : words.own_painting));
  return titles.length > 1 ? words.both(...titles) : titles.join();
}

// --- Photographs --------------------------------------------------------------------------------

function checkBytes(file) {
  if (file.size > known.most_bytes) throw new Error(words.too_many_bytes(Math.round(known.most_bytes / 1e6)));
}

const usePhoto = trying(async (file) => {
  if (!file) return;
  checkBytes(file);
  status(words.reading);
  try {
    const photo = await api.addPhoto(file);
    const name = (file.name ?? "").replace(/\.[^.]*$/, "");
    known.photos = [...known.photos.filter((one) => one.id !== photo.id), photo];
    if (photo.recipe) await useRecipe(photo, name);
    else await setPhoto(photo, name);
  } finally {
    if ($("status").textContent === words.reading) status("");
  }
});

async function setPhoto(photo, name) {
  Object.assign(state, { photo, name, work: null });
  await hang(photo);
  $("other").hidden = $("controls").hidden = false;
  document.body.classList.add("hung");
  scrollTo(0, 0); // on a telephone the wall is now below the picture
  if (state.paintings.length) begin(0);
  else status(words.pick);
  keep();
}

const hang = (photo) => hangUp(api.photoAt(photo.id), api.wholePhotoAt(photo.id), photo, words.before);

// A picture that was made here: its settings come back.
async function useRecipe(made, name) {
  const { settings, photo, paintings } = made.recipe;
  state.settings = changes(settings);
  if (paintings) state.paintings = paintings;
  else delete state.settings.style_blend;
  blending(state.paintings.length > 1);
  const before = known.photos.find((one) => one.id === photo);
  drawControls();
  if (before) await setPhoto(before, name);
  else if (state.photo) begin(0);
  else await setPhoto(made, name);
  const action = { text: words.recipe_use, run: () => setPhoto(made, name) };
  say(paintings ? words.recipe_back : words.recipe_no_painting, before || state.photo !== made ? action : null);
}

// What differs from the defaults.
function changes(settings) {
  const found = {};
  for (const { name, default: usual } of known.settings)
    if (name in settings && name !== "size" && JSON.stringify(settings[name]) !== JSON.stringify(usual)) found[name] = settings[name];
  return found;
}

// --- Paintings ----------------------------------------------------------------------------------

async function drawPaintings() {
  const found = await api.start();
  known = found;
  drawWall(known.wall, { pick, add: () => $("own").click(), takeDown });
  markPaintings(state.paintings);
}

// Of two that are blended, one that is touched goes, and another takes the second's place.
function pick(painting) {
  const first = state.paintings[0], both = state.paintings.length > 1;
  if (!$("blend").checked || !first) state.paintings = [painting.id];
  else if (state.paintings.includes(painting.id)) {
    if (!both) return;
    state.paintings = state.paintings.filter((one) => one !== painting.id);
  } else state.paintings = [first, painting.id];
  if (state.paintings.length < 2) delete state.settings.style_blend;
  drawControls();
  keep();
  if (state.photo) begin(0);
  else say(words.empty_title);
}

const takeDown = trying(async (painting) => {
  await api.removePainting(painting.id);
  if (state.paintings.includes(painting.id)) {
    state.paintings = state.paintings.filter((one) => one !== painting.id);
    delete state.settings.style_blend;
    blending(false);
  }
  await drawPaintings();
  drawControls();
  keep();
});

async function useOwn(file) {
  checkBytes(file);
  say(words.hanging);
  const painting = await api.addPainting(file);
  await drawPaintings();
  $("toast").hidden = true;
  pick(paintingOf(painting.id));
}

// What is wrong with some is said when the others hang, or it would be covered by what is said of them.
const useAllOwn = trying(async (files) => {
  const wrong = [];
  for (const file of files) await useOwn(file).catch((error) => wrong.push(`${file.name}: ${error.message}`));
  if (wrong.length) throw new Error(wrong.join(" "));
});

function caption() {
  const [first, second] = state.paintings.map(paintingOf);
  $("title").textContent = titleFor(state.paintings);
  $("painter").textContent = second ? words.blended : first ? lineOf(first) : "";
}

// --- Painting -----------------------------------------------------------------------------------

// A draft, after a moment without another wish; while one is asked for, only the latest waits.
function begin(wait = PATIENCE) {
  clearTimeout(timer);
  if (!state.photo || !state.paintings.length) return;
  state.work = null; // what is shown is no longer what is wished
  follow();
  status(words.starting, 0);
  timer = setTimeout(send, wait);
}

async function send() {
  if (!state.photo || !state.paintings.length) return;
  if (sending) {
    again = true;
    return;
  }
  sending = true;
  try {
    const work = await api.addWork({ kind: "draft", ...wish(), settings: { ...state.settings, size: SIZE } });
    state.work = works.find((one) => one.id === work.id) ?? work; // it may be done before the answer is read
    keep();
    follow();
  } catch (error) {
    status(words.failed(error.message));
  }
  sending = false;
  if (again) {
    again = false;
    send();
  }
}

function wish() {
  return { tab: state.tab, photo: state.photo.id, paintings: state.paintings };
}

function told(now) {
  const there = (list) => list.find((one) => one.id === state.work?.id);
  const gone = there(works) && !there(now), busy = gone && isBusy(state.work);
  works = now;
  drawPrints(works, titleFor, {
    stop: (work) => api.stop(work.id).catch(() => {}),
    keep: (work) => api.keep(work.id).catch(() => {}),
    show: look,
    nameOf,
  });
  if (gone) {
    state.work = null; // it cannot be saved any more
    status("");
  } else state.work = there(works) ?? state.work;
  if (busy) begin(0); // another page took its turn
  follow();
}

const isBusy = (work) => ["waiting", "painting"].includes(work.state);

// What is said and shown of the picture on the stage.
function follow() {
  const work = state.work, busy = work && isBusy(work);
  $("save").disabled = work?.state !== "done";
  $("print").disabled = !state.paintings.length;
  $("stop").hidden = !busy || work.kind !== "draft";
  document.body.classList.toggle("busy", Boolean(busy));
  if (!work) return;
  if (work.version) show(api.pictureOf(work), words.after(titleFor(work.paintings)));
  if (work.state === "waiting") status(words.starting, 0);
  else if (work.state === "painting") {
    const percent = Math.floor(20 * work.fraction) * 5; // a screen reader is not told each step
    const left = work.left === null ? "" : duration(Math.ceil(work.left / 5) * 5);
    status(work.text || (work.version ? words.painting(percent, left) : words.starting), work.fraction);
  } else if (work.state === "failed") status(words.failed(work.text));
  else if (work.text) status(words.failed(work.text));
  else status(work.state === "done" && work.early ? words.early : words[work.state]);
  if (work.state === "done")
    for (const link of $("formats").querySelectorAll("a")) {
      link.href = api.fileOf(work, link.dataset.kind);
      link.download = nameOf(work, link.dataset.kind);
    }
}

function nameOf(work, kind) {
  const paintings = work.paintings.map((one) => (one.startsWith("own-") ? "own" : one));
  return `${state.name || "picture"}_${paintings.join("_")}.${kind}`;
}

async function look(work) {
  closePrints();
  const photo = known.photos.find((one) => one.id === work.photo) ?? (await api.start()).photos.find((one) => one.id === work.photo);
  if (photo) {
    state.photo = photo;
    await hang(photo);
  }
  Object.assign(state, { work, paintings: work.paintings, settings: changes(work.settings) });
  blending(work.paintings.length > 1);
  drawControls();
  keep();
  follow();
}

// --- Controls -----------------------------------------------------------------------------------

function drawControls() {
  const { strength = 50, style_scale: brush = 1, preserve_color: colours = "off", style_blend: shares } = state.settings;
  $("strength").value = strength ?? 50;
  $("brush").value = Math.log2(Array.isArray(brush) ? brush[0] : brush);
  $("colours").checked = colours !== "off";
  const [first, second] = shares ?? [1, 1];
  $("mix").value = (100 * second) / (first + second);
  $("mixing").hidden = state.paintings.length < 2;
  state.paintings.forEach((one, number) => ($(number ? "mix-second" : "mix-first").textContent = titleFor([one])));
  setKnobs(state.settings);
  caption();
  markPaintings(state.paintings);
  values();
}

const blending = (on) => ($("blend").checked = on);

function values() {
  $("strength").setAttribute("aria-valuetext", words.strength_value($("strength").value));
  $("brush").setAttribute("aria-valuetext", words.brush_value((2 ** $("brush").value).toFixed(2)));
  if (state.paintings.length > 1)
    $("mix").setAttribute("aria-valuetext", words.mix_value($("mix").value, ...state.paintings.map((one) => titleFor([one]))));
}

function set(name, value) {
  const usual = known.settings.find((one) => one.name === name)?.default;
  if (JSON.stringify(value) === JSON.stringify(usual)) delete state.settings[name];
  else state.settings[name] = value;
  values();
  keep();
  begin();
}

$("strength").addEventListener("input", () => {
  const value = Number($("strength").value);
  set("strength", value === 50 ? null : value);
});
$("brush").addEventListener("input", () => set("style_scale", Math.round(100 * 2 ** $("brush").value) / 100));
$("colours").addEventListener("change", () => {
  set("preserve_color", $("colours").checked ? "luminance" : "off");
  setKnobs(state.settings);
});
$("mix").addEventListener("input", () => {
  const second = Number($("mix").value);
  set("style_blend", second === 50 ? null : [(100 - second) / 100, second / 100]);
});
$("blend").addEventListener("change", () => {
  if ($("blend").checked) {
    say(words.second);
    return;
  }
  if (state.paintings.length < 2) return;
  state.paintings = state.paintings.slice(0, 1);
  delete state.settings.style_blend;
  drawControls();
  keep();
  begin();
});
$("reset").onclick = () => {
  state.settings = {};
  drawControls();
  keep();
  begin();
};
$("stop").onclick = trying(() => api.keep(state.work.id));

function openMenu(open) {
  $("formats").hidden = !open;
  $("save").setAttribute("aria-expanded", String(open));
  if (open) $("formats").querySelector("a").focus();
}
$("save").onclick = () => openMenu($("formats").hidden);
$("formats").onclick = () => openMenu(false);
document.addEventListener("pointerdown", (event) => event.target.closest(".menu") || openMenu(false));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || $("formats").hidden) return;
  openMenu(false);
  $("save").focus();
});

const startPrint = trying(async (size) => {
  const settings = { ...state.settings, size };
  await api.addWork({ kind: "print", ...wish(), settings });
});
$("print").onclick = () => openPrints({ ...wish(), photo: state.photo, settings: state.settings }, startPrint);
$("queue").onclick = () => openPrints(null);
$("prints").addEventListener("click", (event) => event.target === $("prints") && closePrints());

// --- Files --------------------------------------------------------------------------------------

const useFirst = ([file]) => usePhoto(file);
for (const [input, use] of [["file", useFirst], ["snap", useFirst], ["own", useAllOwn]])
  $(input).addEventListener("change", () => {
    const files = [...$(input).files];
    $(input).value = "";
    use(files);
  });
$("choose").onclick = $("other").onclick = () => $("file").click();
$("camera").onclick = () => $("snap").click();

addEventListener("paste", (event) => {
  usePhoto(event.clipboardData?.files[0]);
});
const onWall = (event) => Boolean(event.target.closest?.("#wall"));
let over = 0;
addEventListener("dragenter", (event) => {
  event.preventDefault();
  over += 1;
});
addEventListener("dragleave", () => {
  over -= 1;
  if (over <= 0) $("over").hidden = true;
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  if (![...event.dataTransfer.types].includes("Files")) return;
  $("over").hidden = false;
  $("over").classList.toggle("wall", onWall(event));
  $("over").firstElementChild.textContent = onWall(event) ? words.drop_painting : words.drop_photo;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  over = 0;
  $("over").hidden = true;
  const files = [...event.dataTransfer.files];
  if (onWall(event)) useAllOwn(files);
  else {
    if (files.length > 1) say(words.one_photo);
    usePhoto(files[0]);
  }
});

// --- Beginning ----------------------------------------------------------------------------------

async function open() {
  fill(document);
  await drawPaintings();
  setKnobs = makeKnobs($("knobs"), known.settings, set, say);
  const before = recall();
  state.tab = crypto.getRandomValues(new Uint32Array(2)).join("-"); // a tab that is duplicated is another one
  works = known.works;
  const latest = works.at(-1); // a page that was closed, and is opened again
  const photo = known.photos.find((one) => one.id === (before.tab ? before.photo?.id : latest?.photo));
  state.paintings = (before.tab ? before.paintings : latest?.paintings) ?? [];
  if (!state.paintings.every(paintingOf)) state.paintings = [];
  state.settings = before.tab ? (before.settings ?? {}) : latest ? changes(latest.settings) : {};
  state.name = before.name ?? "";
  blending(state.paintings.length > 1);
  drawControls();
  if (photo) {
    const work = works.find((one) => one.id === (before.tab ? before.work : latest?.id)) ?? null;
    const wished = state.paintings;
    if (work) state.paintings = []; // it is painted, or being painted: not once more
    await setPhoto(photo, state.name);
    Object.assign(state, { paintings: wished, work });
    drawControls();
  }
  keep();
  follow();
  api.listen(state.tab, told);
}

open().catch((error) => {
  hideAfter();
  say(error.message);
});
