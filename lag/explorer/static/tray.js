// Pins: favourites as recipes, to be looked at again and to be saved.

import { PLAIN, act, app, byId, change, download, onShow, recipeOf } from "./app.js";
import { describe } from "./candidates.js";
import { fetchOne } from "./results.js";

const tray = byId("tray");
const line = (result) => `${JSON.stringify(result.recipe)}\n`;
const text = (content) => new Blob([content], { type: "application/jsonl" });

function button(label, name, work) {
  const made = document.createElement("button");
  made.textContent = label;
  made.setAttribute("aria-label", `${label}: ${name}`);
  made.addEventListener("click", act(work));
  return made;
}

function lookAt(pin) {
  const { picture, width, height, grey, original, recipe } = pin;
  const has = (op) => recipe.operations.find((o) => o.op === op);
  const operations = recipe.operations.filter((o) => o.op !== "paint" && o.op !== "consistent");
  const kept = picture === app.state.picture ? {} : { walk: { from: null, to: null, at: 0.5 }, cells: "", compare: "none" };
  change({
    picture, width, height, grey, original, ...kept, before: null, ...PLAIN,
    paint: has("paint")?.pixels ?? [], consistent: Boolean(has("consistent")), focus: { seed: recipe.seed, operations },
  });
}

function figure(pin) {
  const made = document.createElement("figure");
  const name = describe(pin.recipe);
  const image = document.createElement("img");
  const look = document.createElement("button");
  const caption = document.createElement("figcaption");
  Object.assign(image, { alt: name, width: 96, height: 96 });
  look.append(image);
  look.setAttribute("aria-label", `Look at ${name}`);
  look.addEventListener("click", () => lookAt(pin));
  const result = () => fetchOne(pin.recipe);
  caption.append(
    button("PNG", name, async () => download((await result()).blob, `lag_${(await result()).digest}.png`)),
    button("JSON", name, async () => download(text(line(await result())), `lag_${(await result()).digest}.jsonl`)),
    button("Remove", name, () => change({ pins: app.state.pins.filter((other) => other !== pin) })),
  );
  made.append(look, caption);
  result().then((found) => (image.src = found.url), () => (image.alt = `${name}: its picture is gone, give it again`));
  return made;
}

byId("pin").addEventListener("click", () => {
  const { picture, width, height, grey, original, focus, pins } = app.state;
  const pin = { picture, width, height, grey, original, recipe: recipeOf(focus) };
  if (!pins.some((other) => JSON.stringify(other) === JSON.stringify(pin))) change({ pins: [...pins, pin] });
});

byId("pins-save").addEventListener("click", act(async () => {
  const lines = [];
  for (const pin of app.state.pins) lines.push(line(await fetchOne(pin.recipe)));
  download(text(lines.join("")), "lag_pins.jsonl");
}));

let shown = "[]";
onShow((state) => {
  byId("pins-none").hidden = state.pins.length > 0;
  byId("pins-save").hidden = !state.pins.length;
  const now = JSON.stringify(state.pins);
  if (now === shown) return;
  shown = now;
  tray.replaceChildren(...state.pins.map(figure));
});
