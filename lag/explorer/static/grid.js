// The grid of samples: plain ones, chosen ones, or the neighbourhood of one.

import { app, byId, change, recipeOf } from "./app.js";
import { describe, near, sample } from "./candidates.js";
import { fetchAll, fetchScores, known } from "./results.js";

const tiles = byId("grid");

export function candidates(state) {
  const { grid, count, seed, noise } = state;
  if (grid.kind === "near") {
    const at = (i) => (state.far * (i + 1)) / count; // ever farther
    return Array.from({ length: count }, (_, i) => near(grid.base, grid.first + i, noise, at(i)));
  }
  if (grid.kind === "chosen") return grid.indices.map((index) => sample(grid.seed, index, index ? grid.noise : 0));
  return Array.from({ length: count }, (_, i) => sample(seed, i + 1, noise));
}

const SAID = {
  samples: () => "",
  chosen: (grid) => `${grid.way === "best" ? "The most realistic" : "The farthest apart"} of ${grid.of}, as the critic sees it.`,
  near: (grid) => `Around ${describe(grid.base)}, ever farther from it.`,
};

const LEGEND = "Off: how far its own small picture is from the input; centre: how far it is from the centre (grey levels).";

function tile(i) {
  if (tiles.children[i]) return tiles.children[i];
  const button = document.createElement("button");
  button.append(document.createElement("img"), document.createElement("strong"), document.createElement("span"));
  button.addEventListener("click", () => {
    if (button.candidate) change({ focus: button.candidate, before: null });
  });
  tiles.append(button);
  return button;
}

function caption(result, candidate) {
  const last = candidate.operations.at(-1);
  const first = last.op === "near" ? `${Math.round(last.degrees)}°` : last.index === 0 ? "centre" : `#${last.index}`;
  const score = result.score === undefined ? "" : ` · score ${result.score.toFixed(1)}`;
  return [first, `off ${result.lores_rmse.toFixed(1)} · centre ${result.from_center.toFixed(0)}${score}`];
}

function fill(button, candidate, result) {
  button.candidate = candidate;
  const [image, ...texts] = button.children;
  if (image.src !== result.url) image.src = result.url;
  image.alt = describe(candidate);
  caption(result, candidate).forEach((text, i) => (texts[i].textContent = text));
  const name = `${describe(candidate)}: small picture missed by ${result.lores_rmse.toFixed(1)} grey levels`;
  button.setAttribute("aria-label", name);
  button.setAttribute("aria-pressed", JSON.stringify(candidate) === JSON.stringify(app.state.focus));
}

export async function showGrid(stale) {
  const state = app.state;
  const wanted = candidates(state);
  byId("grid-said").textContent = `${SAID[state.grid.kind](state.grid)} ${LEGEND}`;
  while (tiles.children.length > wanted.length) tiles.lastChild.remove();
  wanted.forEach((candidate, i) => tile(i).classList.toggle("old", !known(recipeOf(candidate))));
  await fetchAll(wanted.map(recipeOf), (result, i) => {
    const button = tile(i);
    button.classList.remove("old");
    fill(button, wanted[i], result);
  }, stale);
}

export async function scoreGrid(stale) {
  const wanted = candidates(app.state);
  const recipes = [app.state.focus, ...wanted].map(recipeOf);
  await fetchScores(recipes, () => {
    wanted.forEach((candidate, i) => known(recipeOf(candidate)) && fill(tile(i), candidate, known(recipeOf(candidate))));
  }, stale);
}
