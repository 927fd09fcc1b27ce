// The frame that says what of a large picture is made small.

import { act, app, byId } from "./app.js";
import * as backend from "./backend.js";

let large = null;
let use = null;
let box = [0, 0, 1]; // left, top, side, in pixels of the large picture

const frame = byId("frame");
const image = byId("preview");

const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

function place(left, top, side) {
  const most = Math.min(large.width, large.height);
  side = clamp(Math.round(side), 1, most);
  box = [clamp(Math.round(left), 0, large.width - side), clamp(Math.round(top), 0, large.height - side), side];
  const percent = (value, whole) => `${(100 * value) / whole}%`;
  frame.style.left = percent(box[0], large.width);
  frame.style.top = percent(box[1], large.height);
  frame.style.width = percent(side, large.width);
  frame.style.height = percent(side, large.height);
  ["left", "top", "side"].forEach((name, i) => (byId(`crop-${name}`).value = box[i]));
}

export function openCropper(picture, callback) {
  [large, use] = [picture, callback];
  byId("cropper").hidden = false;
  image.src = backend.preview(large.large);
  const size = byId("crop-size");
  size.max = app.model.largest;
  size.value = app.model.side;
  const side = Math.min(large.width, large.height);
  place((large.width - side) / 2, (large.height - side) / 2, side);
  frame.focus();
}

let grip = null; // where in the frame it is held

frame.addEventListener("pointerdown", (e) => {
  e.preventDefault();
  frame.focus();
  frame.setPointerCapture(e.pointerId);
  grip = [e.clientX, e.clientY, ...box];
});
frame.addEventListener("pointermove", (e) => {
  if (!grip) return;
  const scale = large.width / image.getBoundingClientRect().width;
  place(grip[2] + scale * (e.clientX - grip[0]), grip[3] + scale * (e.clientY - grip[1]), box[2]);
});
frame.addEventListener("pointerup", () => (grip = null));
frame.addEventListener("wheel", (e) => {
  e.preventDefault();
  grow(e.deltaY < 0 ? 1.1 : 1 / 1.1);
}, { passive: false });

function grow(factor) {
  const [left, top, side] = box;
  const grown = factor > 1 ? Math.ceil(side * factor) : Math.floor(side * factor);
  place(left - (grown - side) / 2, top - (grown - side) / 2, grown);
}

frame.addEventListener("keydown", (e) => {
  const far = Math.max(1, Math.round(large.width / 50));
  const step = { ArrowUp: [0, -far], ArrowDown: [0, far], ArrowLeft: [-far, 0], ArrowRight: [far, 0] }[e.key];
  if (step) place(box[0] + step[0], box[1] + step[1], box[2]);
  else if (e.key === "+") grow(1.1);
  else if (e.key === "-") grow(1 / 1.1);
  else return;
  e.preventDefault();
});

for (const name of ["left", "top", "side"])
  byId(`crop-${name}`).addEventListener("change", () =>
    place(...["left", "top", "side"].map((n) => Number(byId(`crop-${n}`).value))));

byId("crop-use").addEventListener("click", act(async () => {
  const size = byId("crop-size");
  if (!size.reportValidity()) return;
  await use(box, Number(size.value));
  byId("cropper").hidden = true;
}));
byId("crop-close").addEventListener("click", () => (byId("cropper").hidden = true));
