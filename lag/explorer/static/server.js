// The server as a backend: JSON in and out; a busy one is asked again; what is wrong is an error of one line.

import { ApiError } from "./errors.js";

const TRIES = 40;

async function ask(url, options = {}) {
  for (let tries = 1; ; tries++) {
    let answer;
    try {
      answer = await fetch(url, options);
    } catch {
      throw new ApiError(0, "The server does not answer. Is it still running?");
    }
    if (answer.ok) return answer;
    if (answer.status === 503 && tries < TRIES) {
      await new Promise((resolve) => setTimeout(resolve, 150 + 350 * Math.random()));
      continue;
    }
    const said = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, said.error ?? answer.statusText);
  }
}

const post = (url, value) =>
  ask(url, { method: "POST", body: JSON.stringify(value), headers: { "Content-Type": "application/json" } });
const posted = async (url, value) => (await post(url, value)).json();
const blob = async (answer) => (await answer).blob();

export const describe = async () => (await ask("/api/model")).json();

export async function upload(file, name) {
  const headers = { "Content-Type": "application/octet-stream" };
  const url = `/api/pictures?name=${encodeURIComponent(name)}`;
  return (await ask(url, { method: "POST", body: file, headers })).json();
}

export const crop = (large, box, size) => posted("/api/crops", { large, box, size });
export const example = (index) => posted("/api/examples", { index });

export const preview = (large) => `/api/pictures/${large}/preview.png`;
export const thumbnail = (index) => `/api/examples/${index}.png`;

export const small = (picture) => blob(ask(`/api/pictures/${picture}/small.png`));
export const file = (picture) => blob(ask(`/api/pictures/${picture}/file.png`));
export const original = (picture) => blob(ask(`/api/pictures/${picture}/original.png`));
export const bicubic = (recipe) => blob(post("/api/bicubic", { recipe }));
export const animation = (recipe, frames) => blob(post("/api/animation", { recipe, frames }));

export async function render(recipes) {
  const { results } = await posted("/api/render", { recipes });
  return results.map(({ png, ...said }) => {
    const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
    return { ...said, blob: new Blob([bytes], { type: "image/png" }) };
  });
}

export const scores = async (recipes) => (await posted("/api/scores", { recipes })).scores;
export const choose = async (recipe, choice) => (await posted("/api/choose", { recipe, ...choice })).indices;
