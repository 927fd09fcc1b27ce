// The large picture: drawn, compared with others, and with a region of it chosen.

import { app, byId, change, onShow, recipeOf } from "./app.js";
import * as backend from "./backend.js";
import { CENTER, describe, fromHex, toHex } from "./candidates.js";
import { CellPicker } from "./cells.js";
import { decode, difference, draw, enlarged, heat, painted } from "./pixels.js";
import { fetchOne, known } from "./results.js";

const SIDE = 512; // that the picture is enlarged to, where the page has room
const canvas = byId("picture");
let current = null; // the result on the stage
let other = null; // pixels that it is compared with
let stroke = null; // cells while a region is being painted

const others = new Map(); // pictures that are no candidates, by what they are

async function fetched(key, load) {
  if (!others.has(key)) {
    others.set(key, await decode(await load()));
    if (others.size > 20) others.delete(others.keys().next().value);
  }
  return others.get(key);
}

async function comparison(state) {
  const { picture, compare, paint } = state;
  if (compare === "center") return (await fetchOne(recipeOf(CENTER))).pixels;
  if (compare === "before") return state.before && (await fetchOne(recipeOf(state.before))).pixels;
  if (compare === "bicubic" || compare === "input") {
    const recipe = recipeOf(CENTER);
    if (compare === "bicubic")
      return fetched(`bicubic ${picture} ${JSON.stringify(paint)}`, () => backend.bicubic(recipe));
    const small = await fetched(`input ${picture}`, () => backend.small(picture));
    return enlarged(painted(small, paint), current.pixels.width, current.pixels.height);
  }
  if (compare === "original" && state.original)
    return fetched(`original ${picture}`, () => backend.original(picture));
  return null;
}

export async function showStage() {
  const state = app.state;
  current = await fetchOne(recipeOf(state.focus));
  byId("name").textContent = describe(state.focus);
  redraw();
  showMeasures();
  other = await comparison(state).catch(() => null);
  redraw();
}

export function showMeasures() {
  const result = known(recipeOf(app.state.focus));
  if (!result) return;
  const missed = `Its small picture is ${result.lores_rmse.toFixed(2)} grey levels from the input (most ${result.lores_max.toFixed(1)})`;
  const parts = [
    result.lores_max ? missed : "Its small picture is exactly the input",
    `${result.from_center.toFixed(1)} grey levels from the centre`,
  ];
  if (result.score !== undefined) parts.push(`critic's score ${result.score.toFixed(2)}`);
  byId("measures").textContent = `${parts.join(" · ")}.`;
}

// What the last re-roll of a region changed.
export async function showHeat() {
  const { before, focus } = app.state;
  const rolled = before !== null && focus.operations.at(-1).op === "region";
  byId("changed").hidden = !rolled;
  if (!rolled) return;
  const old = await fetchOne(recipeOf(before));
  const change = heat(current.pixels, old.pixels);
  draw(byId("heat"), change.pixels, Math.max(1, Math.floor(192 / change.pixels.width)));
  byId("heat-said").textContent =
    `What the re-roll changed: ${change.mean.toFixed(1)} grey levels on average; black is nothing, white 64 and more.`;
}

const zoom = (state, pixels) =>
  state.zoom || Math.max(1, Math.floor(SIDE / Math.max(pixels.width, pixels.height)));

function redraw() {
  if (!current) return;
  const state = app.state;
  const n = zoom(state, current.pixels);
  byId("scroll").classList.toggle("fit", !state.zoom);
  const compared = other && other.width === current.pixels.width && state.compare !== "none";
  const pixels = !compared || state.how === "wipe" ? current.pixels
    : (state.how === "heat" ? heat : difference)(current.pixels, other).pixels;
  draw(canvas, pixels, n);
  const context = canvas.getContext("2d");
  if (compared && state.how === "wipe") {
    const edge = Math.round(state.wipe * canvas.width);
    if (edge > 0) context.putImageData(enlarged(other, canvas.width, canvas.height), 0, 0, 0, 0, edge, canvas.height);
    stripe(context, edge);
  }
  drawRegion(context, state, canvas.width / state.width);
  const look = compared ? `, compared with ${byId("compare").selectedOptions[0].textContent} (${state.how})` : "";
  canvas.setAttribute("aria-label", `${describe(state.focus)}${look}`);
}

function stripe(context, x) {
  context.fillStyle = "#000";
  context.fillRect(x - 2, 0, 4, canvas.height);
  context.fillStyle = "#fff";
  context.fillRect(x - 1, 0, 2, canvas.height);
}

// Cells are outlined in black and white, so that they are seen on any picture.
function drawRegion(context, state, n) {
  const mask = stroke ?? fromHex(state.cells);
  const edges = new Path2D();
  for (const cell of mask) {
    const [x, y] = [cell % state.width, Math.floor(cell / state.width)];
    const sides = [[x > 0 && mask.has(cell - 1), x, y, x, y + 1], [mask.has(cell - state.width), x, y, x + 1, y],
      [x + 1 < state.width && mask.has(cell + 1), x + 1, y, x + 1, y + 1],
      [mask.has(cell + state.width), x, y + 1, x + 1, y + 1]];
    for (const [inside, x0, y0, x1, y1] of sides) {
      if (inside) continue;
      edges.moveTo(n * x0, n * y0);
      edges.lineTo(n * x1, n * y1);
    }
  }
  if (picker.cursor) {
    const [row, column] = picker.cursor;
    edges.rect(n * column + n / 4, n * row + n / 4, n / 2, n / 2);
  }
  for (const [width, color] of [[5, "#000"], [2, "#fff"]]) {
    context.lineWidth = width;
    context.strokeStyle = color;
    context.stroke(edges);
  }
}

let adding = true; // or taking away, as the first cell of the stroke was

const picker = new CellPicker(canvas, {
  size: () => [app.state.width, app.state.height],
  enabled: () => byId("region").checked && app.state.picture !== null,
  paint: ([row, column], first) => {
    stroke ??= fromHex(app.state.cells);
    const cell = row * app.state.width + column;
    if (first) adding = !stroke.has(cell);
    if (adding) stroke.add(cell);
    else stroke.delete(cell);
    redraw();
  },
  done: () => {
    const cells = stroke.size ? toHex(stroke, app.state.width, app.state.height) : "";
    stroke = null;
    change({ cells });
  },
  moved: () => redraw(),
});

byId("region").addEventListener("change", (e) => canvas.classList.toggle("active", e.target.checked));
onShow(redraw);
