// Inputs for settings, from what the program declares of them.
import { words } from "./words.js";

const ELSEWHERE = ["size", "enlarge", "strength", "style_scale", "style_blend"]; // on the page
const LAYERS = "\\s*\\w+:[\\d.]+(\\s*,\\s*\\w+:[\\d.]+)*\\s*"; // as in the command line

const written = (value) => Object.entries(value).map(([name, weight]) => `${name}:${weight}`).join(", ");
const read = (text) => Object.fromEntries(text.split(",").map((one) => one.trim().split(":")).map(([name, weight]) => [name, Number(weight)]));

function kinds(setting) {
  return setting.anyOf ?? [setting];
}

function input(setting) {
  const parts = kinds(setting);
  const words_ = parts.find((one) => one.enum)?.enum ?? (setting.name === "init" ? ["content", "noise", "style"] : null);
  if (words_) {
    const select = document.createElement("select");
    for (const word of words_) select.add(new Option(word.replaceAll("_", " "), word));
    if (parts.some((one) => one.type === "null")) select.add(new Option(words.unset, ""));
    return select;
  }
  const found = document.createElement("input");
  const number = parts.find((one) => one.type === "integer" || one.type === "number");
  if (parts.some((one) => one.type === "boolean")) found.type = "checkbox";
  else if (number) {
    found.type = "number";
    found.min = number.minimum;
    found.max = number.maximum;
    found.step = number.type === "integer" ? 1 : "any";
    found.inputMode = "decimal";
    if (parts.some((one) => one.type === "null")) found.placeholder = words.unset;
  } else if (parts.some((one) => one.type === "object")) {
    found.type = "text";
    found.pattern = LAYERS;
    found.spellcheck = false;
  } else return null;
  return found;
}

// `changed(name, value)` is called with what was chosen, `wrong(text)` where it makes no sense.
export function makeKnobs(root, settings, changed, wrong) {
  const groups = new Map(), knobs = new Map();
  for (const setting of settings) {
    const field = ELSEWHERE.includes(setting.name) ? null : input(setting);
    if (!field) continue;
    if (!groups.has(setting.group)) {
      const set = document.createElement("fieldset");
      set.append(Object.assign(document.createElement("legend"), { textContent: setting.group }));
      groups.set(setting.group, set);
      root.append(set);
    }
    const id = `knob-${setting.name}`, row = document.createElement("div");
    row.className = "knob";
    const label = Object.assign(document.createElement("label"), { htmlFor: id, textContent: setting.name.replaceAll("_", " ") });
    const help = Object.assign(document.createElement("p"), { id: `${id}-help`, textContent: (words.knobs[setting.name] ?? setting.help).replaceAll("CONTENT", words.the_photograph).replaceAll("STYLE", words.the_painting).replaceAll("INIT", "init") });
    field.id = id;
    field.setAttribute("aria-describedby", help.id);
    field.addEventListener("change", () => {
      if (field.type === "checkbox") changed(setting.name, field.checked);
      else if (field.type === "text") field.value && field.validity.valid && changed(setting.name, read(field.value));
      else if (field.type !== "number") changed(setting.name, field.value || null);
      else if (field.validity.valid) changed(setting.name, field.value === "" ? setting.default : Number(field.value));
      field.setAttribute("aria-invalid", String(!field.validity.valid));
      if (!field.validity.valid) wrong(`${label.textContent}: ${field.validationMessage}`); // the browser's words
    });
    row.append(label, field, help);
    groups.get(setting.group).append(row);
    knobs.set(setting.name, field);
  }
  return (values) => {
    for (const setting of settings) {
      const field = knobs.get(setting.name), value = values[setting.name] ?? setting.default;
      if (!field) continue;
      if (field.type === "checkbox") field.checked = value;
      else field.value = field.type === "text" ? written(value) : (value ?? "");
    }
  };
}
