// From a recipe to its large picture, as lag/explorer/rendering.py makes it: numbers are rounded to float32 where Python
// rounds them. A picture is {width, height, channels, data}, with its grey levels row by row.

import { ApiError } from "../errors.js";
import { project, toByte } from "./consistency.js";
import { key, normals } from "./noise.js";

const [MOST_LAYERS, MOST_OPERATIONS, DEEPEST] = [32, 64, 3];
const { fround } = Math;

// The small picture that the model is shown: with what the recipe paints over it.
export function painted(picture, recipe) {
  if (recipe.operations[0].op !== "paint") return picture;
  const { width, height, channels } = picture;
  const data = Uint8Array.from(picture.data);
  for (const [row, column, ...levels] of recipe.operations[0].pixels) {
    if (row >= height || column >= width || levels.length !== channels)
      throw new ApiError(400, `paint has a pixel [${row}, ${column}] that this picture has not`);
    data.set(levels, (row * width + column) * channels);
  }
  return { ...picture, data };
}

// Refuses what lag/explorer/recipe.py refuses: a picture that could never be made again.
function check(operations, depth = 0) {
  if (depth > DEEPEST) throw new ApiError(400, `walks may be nested ${DEEPEST} deep at most: start anew from a sample`);
  const inner = operations.map((o) => (o.op === "walk" ? check(o.to, depth + 1) : 0));
  const count = inner.reduce((sum, n) => sum + n, operations.length);
  if (count > MOST_OPERATIONS)
    throw new ApiError(400, `a recipe may have ${MOST_OPERATIONS} operations at most: start anew from a sample`);
  return count;
}

// The large picture: {width, height, channels, data}. model: {facts, generate(lores, z, width, height)}.
export async function render(model, picture, recipe) {
  const { scale, colors, fingerprint } = model.facts;
  if (recipe.model !== fingerprint)
    throw new ApiError(400, `the recipe is of the model ${recipe.model}, this one is ${fingerprint}`);
  check(recipe.operations);
  const small = painted(picture, recipe);
  const { width, height, channels } = small;
  const lores = new Float32Array(width * height * colors);
  for (let i = 0; i < lores.length; i++)
    lores[i] = fround(small.data[channels === colors ? i : Math.floor(i / colors)] * fround(2 / 255)) - 1;
  const operations = recipe.operations.filter((o) => o.op !== "paint" && o.op !== "consistent");
  let levels = null;
  for (const layer of layersOf(model, picture, recipe.seed, operations)) {
    const made = toLevels(await model.generate(lores, layer.z, width, height), colors, channels);
    levels = levels ? inFront(made, levels, layer.weight, channels) : made;
  }
  const consistent = recipe.operations.at(-1).op === "consistent";
  const data = consistent ? project(levels, small, scale) : Uint8Array.from(levels, toByte);
  return { width: scale * width, height: scale * height, channels, data };
}

// Images in [-1, 1] as grey levels, not rounded; the mean of the colours if the small picture is grey.
function toLevels(images, colors, channels) {
  const levels = Float32Array.from(images, (v) => fround(fround(v + 1) * 127.5));
  if (channels === colors) return levels;
  const mean = (_, i) => fround(fround(levels[3 * i] + levels[3 * i + 1]) + levels[3 * i + 2]) / 3;
  return Float32Array.from({ length: levels.length / 3 }, mean);
}

// New levels over old ones; where the weight is 0, the old ones to the last bit.
function inFront(front, behind, weight, channels) {
  return behind.map((old, i) => {
    const w = weight[Math.floor(i / channels)];
    return w === 0 ? old : fround(w * front[i]) + fround(fround(1 - w) * old);
  });
}

// The images of a candidate: noise maps, and where each is seen in front of those before it.
function layersOf(model, picture, seed, [first, ...others]) {
  let layers = [{ z: sampleNoise(model, picture, first, seed), weight: null }];
  for (const operation of others) {
    layers = APPLY[operation.op](model, picture, seed, layers, operation);
    if (layers.length > MOST_LAYERS)
      throw new ApiError(400, `a candidate may hold ${MOST_LAYERS} regions at most: let the rest follow, or start anew`);
  }
  return layers;
}

const sizeOf = (model, { width, height }) => width * height * model.facts.noise_dim;

function drawn(model, picture, purpose, { index, noise }, seed) {
  const values = normals(sizeOf(model, picture), key(seed, `${purpose} ${picture.name}`), index);
  return values.map((v) => fround(noise) * v);
}

const sampleNoise = (model, picture, operation, seed) =>
  operation.index ? drawn(model, picture, "upscale", operation, seed) : new Float32Array(sizeOf(model, picture));

const turned = (a, b, angle) => {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return a.map((v, i) => cos * v + sin * b[i]);
};

function near(model, picture, seed, layers, operation) {
  const other = drawn(model, picture, "explore near", operation, seed);
  const angle = operation.degrees * (Math.PI / 180);
  return layers.map((layer) => ({ ...layer, z: turned(layer.z, other, angle) }));
}

function region(model, picture, seed, layers, operation) {
  const { scale, noise_dim: depth, shared_dim: shared } = model.facts;
  const cells = mask(operation.cells, picture.width * picture.height);
  const other = drawn(model, picture, "explore region", operation, seed);
  const followed = layers.map((layer) => ({
    ...layer,
    // The first channels count for the whole picture: they stay.
    z: layer.z.map((v, i) => (cells[Math.floor(i / depth)] && i % depth >= shared ? other[i] : v)),
  }));
  if (!operation.hold) return followed;
  return [...layers, { z: followed.at(-1).z, weight: feathered(cells, picture.width, picture.height, scale) }];
}

function walk(model, picture, seed, layers, operation) {
  const others = layersOf(model, picture, operation.seed, operation.to);
  const { at } = operation;
  const between = (a, b) => (at === 1 ? b : turned(a, b, (at * Math.PI) / 2));
  const moved = layers.map((layer) => ({ ...layer, z: between(layer.z, others[0].z) }));
  const shown = others.slice(1).map((o) => ({
    z: between(layers.at(-1).z, o.z),
    weight: o.weight.map((w) => fround(at) * w),
  }));
  return [...moved, ...shown];
}

const APPLY = { near, region, walk };

function mask(cells, size) {
  const made = new Uint8Array(4 * cells.length);
  for (let i = 0; i < made.length; i++) made[i] = (parseInt(cells[i >> 2], 16) >> (3 - (i & 3))) & 1;
  if (made.length !== Math.ceil(size / 8) * 8 || made.subarray(size).some(Boolean))
    throw new ApiError(400, `cells is no mask of ${size} pixels: it has ${cells.length / 2} bytes`);
  return made.subarray(0, size);
}

// How much of a region is seen: 0 outside, rising to 1 over half an LR pixel inside.
function feathered(cells, width, height, scale) {
  const [columns, rows] = [scale * width, scale * height];
  const within = (value, most) => Math.max(0, Math.min(most - 1, value)); // beyond the picture there is no border
  let inside = new Uint8Array(columns * rows);
  inside = inside.map((_, i) => cells[Math.floor(i / columns / scale) * width + Math.floor((i % columns) / scale)]);
  const large = inside;
  const weight = new Float32Array(columns * rows);
  const steps = Math.max(1, scale >> 1);
  for (let step = 0; step < steps; step++) {
    const now = inside;
    for (let i = 0; i < weight.length; i++) weight[i] += now[i];
    inside = now.map((v, i) => {
      if (!v) return 0;
      const [y, x] = [Math.floor(i / columns), i % columns];
      for (let dy = -1; dy <= 1; dy++)
        for (let dx = -1; dx <= 1; dx++)
          if (!now[within(y + dy, rows) * columns + within(x + dx, columns)]) return 0;
      return 1;
    });
  }
  if (steps === 1) return weight;
  return weight.map((v, i) => (large[i] ? Math.max(0, Math.min(1, fround(v - 0.5) / (steps - 0.5))) : 0));
}
