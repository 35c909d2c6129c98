// All words of the page, in one place for translations. What settings are comes from the program.
export const words = {
  skip: "To the paintings",
  stage: "The picture",
  picture: "The picture: plus and minus zoom, arrows move it",
  split: "Before and after",
  before: "Your photograph",
  after: (title) => `Your photograph, painted after ${title}`,
  empty_title: "Hang a photograph here",
  empty_text: "Drop it, paste it, or choose one. Then touch a painting.",
  choose: "Choose a photograph",
  camera: "Take one",
  private: "It stays on your own computer.",
  other_photo: "Another photograph",
  zoom_in: "Nearer",
  zoom_out: "Farther",
  zoom_fit: "The whole picture",
  zoom_full: "Pixel by pixel",
  fit: "Fit",
  plaque: "About this picture",
  progress: "How much is painted",
  wall: "Paintings",
  own_painting: "Your painting",
  own_line: "from your computer",
  add_own: "Hang up a painting of your own",
  add_short: "Your own",
  take_down: "Take this painting down",
  controls: "How it is painted",
  strength: "Strength",
  strength_low: "photograph",
  strength_high: "painting",
  strength_value: (value) => `${value} of 100`,
  brush: "Brush",
  brush_low: "fine",
  brush_high: "broad",
  brush_value: (value) => `${value} times`,
  colours: "Keep my colours",
  save: "Save",
  png: "PNG",
  jpg: "JPEG",
  tif: "TIFF, 16 bits",
  print: "In full quality …",
  stop: "Stop",
  more: "More knobs",
  reset: "All as it was",
  prints: "In full quality",
  queue: "In the works",
  no_prints: "Nothing yet. Paintings go on here while this page is closed.",
  close: "Close",
  show: "Look at it",
  remove: "Remove",
  cancel: "Cancel",
  planning: "Looking how long each size takes …",
  plan_note: "Choose a size; you can close this page meanwhile.",
  plan_line: (minutes, memory) => `${minutes}, ${memory} of memory`,
  too_large: (memory) => `takes ${memory} of memory, more than there is`,
  printed: (width, height) => `${width} × ${height}`,
  queue_button: (count) => (count === 1 ? "1 picture in the works" : `${count} pictures in the works`),
  queue_done: "Pictures in full quality",
  pick: "Now touch a painting",
  waiting: "Waiting for its turn",
  starting: "Mixing colours …",
  painting: (percent, left) => (left ? `Painting, ${percent} %, ${left} left` : `Painting, ${percent} %`),
  done: "Done",
  stopped: "Stopped",
  failed: (why) => `This did not work: ${why}`,
  reading: "Reading the photograph …",
  hanging: "Hanging it up …",
  recipe_back: "The settings of that picture are back.",
  recipe_use: "Paint on it instead",
  drop_photo: "Drop it to paint on it",
  drop_painting: "Drop it to hang it among the paintings",
  too_many_bytes: (megabytes) => `That file is larger than ${megabytes} MB, the most that is taken.`,
  lost: "The studio does not answer. Is it still running in the terminal?",
  seconds: (count) => (count < 1.5 ? "1 second" : `${Math.round(count)} seconds`),
  minutes: (count) => (count < 1.5 ? "a minute" : `${Math.round(count)} minutes`),
  hours: (count) => `${count.toFixed(1)} hours`,
  megabytes: (count) => `${Math.round(count)} MB`,
  gigabytes: (count) => `${count.toFixed(1)} GB`,
  unset: "automatic",
  the_photograph: "the photograph",
  the_painting: "the painting",
};

export function duration(seconds) {
  if (seconds < 90) return words.seconds(seconds);
  return seconds < 5400 ? words.minutes(seconds / 60) : words.hours(seconds / 3600);
}

export function memory(bytes) {
  return bytes < 1e9 ? words.megabytes(bytes / 1e6) : words.gigabytes(bytes / 1e9);
}

export function fill(root) {
  for (const one of root.querySelectorAll("[data-word]")) one.textContent = words[one.dataset.word];
  for (const one of root.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", words[one.dataset.label]);
    if (one.tagName === "BUTTON") one.title = words[one.dataset.label];
  }
}
