// Made pictures, by their recipes: fetched a few at a time, each once.

import * as backend from "./backend.js";
import { decode } from "./pixels.js";

const KEPT = 300;
const AT_ONCE = 4;
const made = new Map();

const keep = (key, result) => {
  made.set(key, result);
  if (made.size > KEPT) made.delete(made.keys().next().value);
  return result;
};

async function unpack(said) {
  return { ...said, url: URL.createObjectURL(said.blob), pixels: await decode(said.blob) };
}

export const known = (recipe) => made.get(JSON.stringify(recipe));

// Calls shown(result, index) for each recipe as soon as it is there; ends when stale() says that nobody looks any more.
export async function fetchAll(recipes, shown, stale = () => false) {
  const missing = [];
  recipes.forEach((recipe, i) => {
    const result = known(recipe);
    if (result) shown(result, i);
    else missing.push(i);
  });
  for (let first = 0; first < missing.length && !stale(); first += AT_ONCE) {
    const part = missing.slice(first, first + AT_ONCE);
    const wanted = part.map((i) => recipes[i]);
    for (const [k, said] of (await backend.render(wanted)).entries()) {
      const result = keep(JSON.stringify(wanted[k]), await unpack(said));
      shown(result, part[k]);
    }
  }
}

export async function fetchOne(recipe) {
  let found = null;
  await fetchAll([recipe], (result) => (found = result));
  return found;
}

// Adds the critic's scores to results that are there, and calls shown after each few.
export async function fetchScores(recipes, shown, stale) {
  const missing = recipes.filter((recipe) => known(recipe) && known(recipe).score === undefined);
  for (let first = 0; first < missing.length && !stale(); first += AT_ONCE) {
    const part = missing.slice(first, first + AT_ONCE);
    const scores = await backend.scores(part);
    part.forEach((recipe, k) => {
      const result = known(recipe);
      if (result) result.score = scores[k];
    });
    shown();
  }
}
