// The state of the page, and who wants to know when it changes. Modules change it; they never write to each other.

import * as steps from "./steps.js";
import { CENTER, recipe } from "./candidates.js";

const BEGINNING = {
  picture: null, width: 0, height: 0, grey: false, original: false, // the small picture
  paint: [], seed: 0, noise: 1, count: 8, consistent: false,
  grid: { kind: "samples" }, focus: CENTER, before: null, next: 1,
  cells: "", follow: false, walk: { from: null, to: null, at: 0.5 },
  compare: "none", how: "wipe", wipe: 0.5, zoom: 0, far: 45, of: 32, pins: [],
};

export const app = { model: null, state: BEGINNING };

// What the state is of before a person has said anything: consistent, if the model was trained so.
const beginning = () => ({ ...BEGINNING, consistent: app.model.consistent });
const listeners = [];

export const byId = (id) => document.getElementById(id);
export const onShow = (listener) => listeners.push(listener);
export const recipeOf = (candidate) => recipe(app.state, app.model, candidate);

export function show() {
  byId("undo").disabled = !steps.canUndo();
  byId("redo").disabled = !steps.canRedo();
  for (const listener of listeners) listener(app.state);
}

// A step that can be undone; with again, the last step goes on (as while a slider moves).
export function change(part, again = false) {
  app.state = { ...app.state, ...part };
  if (again) steps.replace(app.state);
  else steps.push(app.state);
  show();
}

export function travelTo(state) {
  app.state = { ...beginning(), ...state };
  show();
}

export function beginWithModel(model) {
  app.model = model;
  app.state = beginning();
}

export function beginWith(said, again = false) {
  const { seed, noise, count, consistent, pins, how, zoom, far, of } = app.state;
  const [width, height] = said.small;
  const kept = { seed, noise, count, consistent, pins, how, zoom, far, of };
  app.state = { ...BEGINNING, ...kept };
  change({ picture: said.picture, width, height, grey: said.grey, original: said.original }, again);
}

export const PLAIN = { grid: { kind: "samples" } }; // of the state: the grid shows plain samples

// Chosen samples are of what they were chosen for: what changes that shows plain ones.
export const unchosen = () => (app.state.grid.kind === "chosen" ? PLAIN : {});

export function say(text) {
  byId("status").textContent = text;
}

export function complain(error) {
  byId("error").textContent = error ? error.message || String(error) : "";
}

// Runs what a person asked for; what goes wrong is one line at the foot of the page.
export const act = (work) => async (event) => {
  complain(null);
  try {
    await work(event);
  } catch (error) {
    complain(error);
  }
};

// An input whose dragging is one step.
export function slider(id, value, apply) {
  const input = byId(id);
  let moving = false;
  input.addEventListener("input", () => {
    change(apply(Number(input.value)), moving);
    moving = true;
  });
  input.addEventListener("change", () => {
    moving = false;
    steps.settle();
  });
  onShow((state) => {
    if (document.activeElement !== input || !moving) input.value = value(state);
  });
}

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
