// What the page asks the server.
import { words } from "./words.js";

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(words.lost);
  }
  if (answer.status === 204) return null;
  const found = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) throw new Error(found.error);
  return found;
}

const post = (path, value) =>
  ask(path, { method: "POST", body: JSON.stringify(value), headers: { "content-type": "application/json" } });

export const start = () => ask("/api/start");
export const addPhoto = (file) => ask("/api/photos", { method: "POST", body: file });
export const addPainting = (file) => ask("/api/paintings", { method: "POST", body: file });
export const removePainting = (id) => ask(`/api/paintings/${id}`, { method: "DELETE" });
export const addWork = (value) => post("/api/works", value);
export const plan = (value) => post("/api/plans", value);
export const stop = (id) => ask(`/api/works/${id}`, { method: "DELETE" });

export const keep = (id) => ask(`/api/works/${id}/keep`, { method: "POST" });

export const photoAt = (id) => `/api/photos/${id}`;
export const wholePhotoAt = (id) => `/api/photos/${id}/whole`;
export const paintingAt = (id) => `/api/paintings/${id}`;
export const pictureOf = (work) => `/api/works/${work.id}/picture?v=${work.version}`;
export const fileOf = (work, kind) => `/api/works/${work.id}/file.${kind}`;

// `told` gets the list of works as often as it changes; the browser asks again when it is cut off.
// Only while the page is seen: a browser has six connections to a server, for all its pages.
export function listen(tab, told) {
  let source = null;
  const follow = () => {
    source?.close();
    if (document.hidden) return;
    source = new EventSource(`/api/events?tab=${tab}`);
    source.onmessage = (event) => told(JSON.parse(event.data));
  };
  follow();
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}
