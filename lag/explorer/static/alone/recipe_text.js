// A recipe as lag/explorer/recipe.py writes it: the same line, and so the same name.

import { hex, ofText } from "./sha256.js";

const FIELDS = {
  paint: ["pixels"],
  sample: ["index", "noise"],
  near: ["index", "noise", "degrees"],
  region: ["cells", "index", "noise", "hold"],
  walk: ["seed", "at", "to"],
  consistent: [],
};
const NUMBERS = new Set(["noise", "degrees", "at"]); // that Python writes with a point

function float(value) {
  if (Number.isInteger(value)) return `${value}.0`;
  if (Math.abs(value) >= 1e-4) return String(value);
  return value.toExponential().replace(/e-(\d)$/, "e-0$1");
}

function written(field, value) {
  if (field === "to") return `[${value.map(operation).join(",")}]`;
  return NUMBERS.has(field) ? float(value) : JSON.stringify(value);
}

function operation(value) {
  const fields = FIELDS[value.op].map((field) => `,"${field}":${written(field, value[field])}`);
  return `{"op":"${value.op}"${fields.join("")}}`;
}

export function text({ model, picture, seed, operations }) {
  const made = operations.map(operation).join(",");
  return `{"recipe":1,"model":"${model}","picture":"${picture}","seed":${seed},"operations":[${made}]}`;
}

export const digest = (line) => hex(ofText(line)).slice(0, 12);
