// The page as its own backend: the model runs here, and pictures stay here. What needs the critic is not there.

import { ApiError } from "../errors.js";
import { bicubic as enlarge } from "./bicubic.js";
import { errors, shrunk } from "./consistency.js";
import { load } from "./generator.js";
import { animate, encode } from "./png.js";
import { cut, open } from "./reading.js";
import { digest, text } from "./recipe_text.js";
import { painted, render as make } from "./rendering.js";
import { hex, sha256 } from "./sha256.js";

const MOST_LARGE = 3;
const FRAME_MS = 80;
const pictures = new Map(); // small ones by name: {picture, original}
const larges = new Map(); // files by name: {opened, address}
let model = null;

export async function describe() {
  model = await load();
  return model.facts;
}

// The name that lag/upscaling/picture_file.py: content_hash gives the pixels.
function contentHash({ width, height, channels, data }) {
  const shape = new TextEncoder().encode(`(${height}, ${width}, ${channels})`);
  const levels = new Uint8Array(Float32Array.from(data).buffer);
  const whole = new Uint8Array(shape.length + levels.length);
  whole.set(shape);
  whole.set(levels, shape.length);
  return hex(sha256(whole));
}

function known(name) {
  if (!pictures.has(name)) throw new ApiError(404, `there is no picture ${name.slice(0, 12)} here: give it again`);
  return pictures.get(name);
}

function largeOf(name) {
  if (!larges.has(name)) throw new ApiError(404, "there is no such large picture here: give it again");
  return larges.get(name);
}

function take(picture, original) {
  const name = contentHash(picture);
  pictures.set(name, { picture: { ...picture, name }, original: original ?? pictures.get(name)?.original });
  const { width, height, channels } = picture;
  return { picture: name, small: [width, height], grey: channels === 1, original: Boolean(pictures.get(name).original) };
}

export async function upload(blob) {
  const opened = await open(blob);
  const { width, height } = opened.bitmap;
  const large = String(larges.size ? Number([...larges.keys()].at(-1)) + 1 : 0);
  larges.set(large, { opened, address: URL.createObjectURL(blob) });
  if (larges.size > MOST_LARGE) {
    const [oldest, { address }] = larges.entries().next().value;
    URL.revokeObjectURL(address);
    larges.delete(oldest);
  }
  const said = { large, width, height, notes: [] };
  if (Math.max(width, height) > model.facts.largest) return said;
  const picture = cut(opened, [0, 0, width, height], width, height, model.facts.colors);
  return { ...said, ...take(picture), notes: picture.transparent ? ["with white behind its transparent pixels"] : [] };
}

export async function crop(large, [left, top, side], size) {
  if (model.facts.downscaler !== "average")
    throw new ApiError(400, `this page makes no picture small by ${model.facts.downscaler}: give a small picture`);
  const whole = size * model.facts.scale;
  const original = cut(largeOf(large).opened, [left, top, side, side], whole, whole, model.facts.colors);
  return take(shrunk(original, model.facts.scale), original);
}

async function pixelsOf(address) {
  const opened = await open(await (await fetch(address)).blob());
  const { width, height } = opened.bitmap;
  return cut(opened, [0, 0, width, height], width, height, model.facts.colors);
}

export async function example(index) {
  const original = await pixelsOf(thumbnail(index));
  return take(await pixelsOf(`examples/${index}_small.png`), original);
}

export const preview = (large) => largeOf(large).address;
export const thumbnail = (index) => `examples/${index}.png`;

export const small = async (name) => encode(known(name).picture);
export const file = small;

export async function original(name) {
  const found = known(name).original;
  if (!found) throw new ApiError(400, "this small picture was not made of a large one here");
  return encode(found);
}

export async function bicubic(recipe) {
  return encode(enlarge(painted(known(recipe.picture).picture, recipe), model.facts.scale));
}

const rms = (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);

function center(recipe) {
  const kept = (op) => recipe.operations.filter((o) => o.op === op);
  const operations = [...kept("paint"), { op: "sample", index: 0, noise: 0 }, ...kept("consistent")];
  return { ...recipe, seed: 0, operations };
}

let middle = { line: null, pixels: null }; // the centre that was asked for last

async function centerOf(picture, recipe) {
  const line = text(center(recipe));
  if (middle.line !== line) middle = { line, pixels: await make(model, picture, center(recipe)) };
  return middle.pixels;
}

async function made(recipe) {
  const { picture } = known(recipe.picture);
  const line = text(recipe);
  const pixels = await make(model, picture, recipe);
  const around = (await centerOf(picture, recipe)).data;
  const missed = errors(pixels.data, painted(picture, recipe), model.facts.scale);
  return {
    recipe, digest: digest(line), blob: await encode(pixels, { lag: line }),
    lores_rmse: rms(missed), lores_max: missed.reduce((most, v) => Math.max(most, Math.abs(v)), 0),
    from_center: rms(Float64Array.from(pixels.data, (v, i) => v - around[i])),
  };
}

export async function render(recipes) {
  const results = [];
  for (const recipe of recipes) {
    results.push(await made(recipe));
    await new Promise((resolve) => setTimeout(resolve)); // the page moves on
  }
  return results;
}

export async function animation(recipe, frames) {
  const { picture } = known(recipe.picture);
  const last = recipe.operations.findLastIndex((o) => o.op === "walk");
  const shown = [];
  for (let i = 0; i < frames; i++) {
    const walk = { ...recipe.operations[last], at: i / (frames - 1) };
    shown.push(await make(model, picture, { ...recipe, operations: recipe.operations.with(last, walk) }));
  }
  return animate([...shown, ...shown.slice(1, -1).reverse()], FRAME_MS); // there and back
}

const withoutCritic = async () => {
  throw new ApiError(400, "this page has no critic");
};
export const scores = withoutCritic;
export const choose = withoutCritic;
