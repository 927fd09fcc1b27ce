// The small picture as the model sees it, and the pencil that paints its pixels.

import { act, app, byId, change, download, onShow, unchosen } from "./app.js";
import * as backend from "./backend.js";
import { CellPicker } from "./cells.js";
import { decode, enlarged, painted } from "./pixels.js";

const SIDE = 256; // of the canvas
const canvas = byId("small");
let shown = { picture: null, pixels: null };
let stroke = null; // paint while the pencil is down

const factor = (state) => Math.max(1, Math.floor(SIDE / Math.max(state.width, state.height)));

const levels = (state) => {
  const rgb = [1, 3, 5].map((i) => parseInt(byId("color").value.slice(i, i + 2), 16));
  return state.grey ? [Math.round(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2])] : rgb;
};

function draw(state) {
  if (!shown.pixels || shown.picture !== state.picture) return;
  const n = factor(state);
  [canvas.width, canvas.height] = [n * state.width, n * state.height];
  const context = canvas.getContext("2d");
  const pixels = painted(shown.pixels, stroke ?? state.paint);
  context.putImageData(enlarged(pixels, canvas.width, canvas.height), 0, 0);
  if (!picker.cursor) return;
  const [row, column] = picker.cursor;
  context.lineWidth = 3;
  context.strokeStyle = "#fff";
  context.strokeRect(n * column + 1.5, n * row + 1.5, n - 3, n - 3);
  context.lineWidth = 1;
  context.strokeStyle = "#000";
  context.strokeRect(n * column + 0.5, n * row + 0.5, n - 1, n - 1);
}

const picker = new CellPicker(canvas, {
  size: () => [app.state.width, app.state.height],
  enabled: () => byId("pencil").checked && app.state.picture !== null,
  paint: ([row, column]) => {
    stroke = (stroke ?? app.state.paint).filter(([r, c]) => r !== row || c !== column);
    stroke.push([row, column, ...levels(app.state)]);
    draw(app.state);
  },
  done: () => {
    const paint = stroke.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    stroke = null;
    change({ paint, ...unchosen() });
  },
  moved: () => draw(app.state),
});

onShow(async (state) => {
  byId("paint-clear").disabled = !state.paint.length;
  byId("small-save").disabled = !state.picture;
  if (!state.picture) return;
  byId("small-said").textContent =
    `${state.width} × ${state.height} pixels${state.paint.length ? `, ${state.paint.length} of them painted` : ""}`;
  if (shown.picture !== state.picture) {
    const blob = await backend.small(state.picture).catch(() => null);
    if (!blob) return;
    const pixels = await decode(blob);
    if (state.picture !== app.state.picture) return; // another is being shown meanwhile
    shown = { picture: state.picture, pixels };
  }
  draw(app.state);
});

byId("pencil").addEventListener("change", (e) => canvas.classList.toggle("active", e.target.checked));
byId("paint-clear").addEventListener("click", () => change({ paint: [], ...unchosen() }));
byId("small-save").addEventListener("click", act(async () => {
  const { picture } = app.state;
  download(await backend.file(picture), `small_${picture.slice(0, 12)}.png`);
}));
