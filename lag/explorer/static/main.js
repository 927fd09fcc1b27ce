// Starts the page: asks what the model is, takes up the state in the URL, and keeps what is shown up to date.

import { act, app, beginWithModel, byId, complain, onShow, say, show, travelTo } from "./app.js";
import * as backend from "./backend.js";
import { scoreGrid, showGrid } from "./grid.js";
import { startInput, takeExample } from "./input.js";
import { showHeat, showStage, showMeasures } from "./stage.js";
import * as steps from "./steps.js";
import "./controls.js";
import "./small.js";
import "./tray.js";
import "./walk.js";

let running = false;
let again = false;
let failed = false;
const stale = () => again;

// One request at a time, and always for what the state is now: a slider may move faster than pictures are made.
async function refresh() {
  again = true;
  if (running) return;
  running = true;
  while (again) {
    again = false;
    try {
      await showAll();
      if (failed) complain(null);
      failed = false;
    } catch (error) {
      failed = true;
      say("");
      complain(error);
    }
  }
  running = false;
}

async function showAll() {
  if (!app.state.picture) return;
  say("Making pictures…");
  await showStage();
  if (stale()) return;
  await showHeat();
  await showGrid(stale);
  if (app.model.critic && !stale()) {
    await scoreGrid(stale);
    showMeasures();
  }
  const { width, height } = app.state;
  const { scale } = app.model;
  if (!stale()) say(`Ready: ${width} × ${height} pixels become ${scale * width} × ${scale * height}.`);
}

async function start() {
  say("Loading the model…");
  beginWithModel(await backend.describe());
  const { dataset, scale, nimg, critic, alone } = app.model;
  const where = alone ? "; it runs in this browser, and no picture leaves it" : "";
  byId("model").textContent = `${scale}× of ${dataset}, ${nimg.toLocaleString("en")} images seen${where}`;
  byId("choosing").hidden = !critic;
  byId("no-critic").hidden = critic;
  startInput();
  onShow(refresh);
  steps.onTravel(travelTo);
  steps.start();
  const state = steps.read();
  if (state?.picture) travelTo(state);
  else if (app.model.examples) await takeExample(0, true);
  else {
    show();
    say("To begin, choose a picture, drop it on the page, or paste it.");
  }
}

addEventListener("keydown", (e) => {
  if (!(e.ctrlKey || e.metaKey) || e.target.matches("input[type=number]")) return;
  const key = e.key.toLowerCase();
  if (key === "z" || key === "y") {
    e.preventDefault();
    if (key === "y" || e.shiftKey) steps.redo();
    else steps.undo();
  }
});
byId("undo").addEventListener("click", () => steps.undo());
byId("redo").addEventListener("click", () => steps.redo());

act(start)();
