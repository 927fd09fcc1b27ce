// The controls around the pictures: what each of them changes in the state.

import { PLAIN, act, app, byId, change, download, onShow, recipeOf, slider, unchosen } from "./app.js";
import * as backend from "./backend.js";
import { CENTER, region, unused } from "./candidates.js";
import { fetchOne } from "./results.js";

slider("noise", (state) => state.noise, (noise) => ({ noise, ...unchosen() }));
slider("far", (state) => state.far, (far) => ({ far }));
slider("wipe", (state) => state.wipe, (wipe) => ({ wipe }));

const on = (id, event, work) => byId(id).addEventListener(event, act(work));

function number(id, apply) {
  on(id, "change", () => {
    const input = byId(id);
    if (!input.value) input.value = app.state[id];
    else if (input.reportValidity() && Number.isInteger(Number(input.value))) change(apply(Number(input.value)));
  });
}

number("count", (count) => ({ count, ...unchosen() }));
number("seed", (seed) => ({ seed, ...PLAIN }));
number("of", (of) => ({ of }));

on("roll", "click", () => {
  const { grid, seed, count } = app.state;
  if (grid.kind === "near") change({ grid: { ...grid, first: grid.first + count } });
  else change({ seed: seed + 1, ...PLAIN });
});
on("plain", "click", () => change(PLAIN));
on("near", "click", () => {
  const base = app.state.focus;
  change({ grid: { kind: "near", base, first: unused(base, "near") } });
});
on("to-center", "click", () => change({ focus: CENTER, before: null }));

async function choose(way) {
  const { seed, noise, count, of } = app.state;
  const asked = () => JSON.stringify([recipeOf(CENTER), app.state.seed, app.state.noise]);
  const [recipe, before] = [{ ...recipeOf(CENTER), seed }, asked()];
  const indices = await backend.choose(recipe, { way, keep: Math.min(count, of), of, noise });
  if (asked() !== before) return; // it is of what is no longer shown
  change({ grid: { kind: "chosen", way, of, indices, seed, noise } });
}
on("best", "click", () => choose("best"));
on("diverse", "click", () => choose("diverse"));

on("consistent", "change", (e) => change({ consistent: e.target.checked }));
on("follow", "change", (e) => change({ follow: e.target.checked }));
on("compare", "change", (e) => change({ compare: e.target.value }));
on("how", "change", (e) => change({ how: e.target.value }));
on("zoom", "change", (e) => change({ zoom: Number(e.target.value) }));

on("region-roll", "click", () => {
  const { focus, cells, follow, next, noise } = app.state;
  const index = Math.max(next, unused(focus, "region"));
  change({ focus: region(focus, cells, index, noise, !follow), before: focus, next: index + 1 });
});
on("region-clear", "click", () => change({ cells: "" }));

on("save", "click", async () => {
  const result = await fetchOne(recipeOf(app.state.focus));
  download(result.blob, `lag_${result.digest}.png`);
});

onShow((state) => {
  byId("noise-said").textContent = state.noise.toFixed(2);
  byId("far-said").textContent = `${state.far}°`;
  byId("far-label").hidden = state.grid.kind !== "near";
  for (const id of ["count", "seed", "of", "compare", "how", "zoom"]) byId(id).value = state[id];
  for (const id of ["consistent", "follow"]) byId(id).checked = state[id];
  byId("how-label").hidden = state.compare === "none";
  byId("wipe-label").hidden = state.compare === "none" || state.how !== "wipe";
  byId("region-roll").disabled = byId("region-clear").disabled = !state.cells;
  byId("plain").disabled = state.grid.kind === "samples";
  byId("compare").querySelector("[value=before]").disabled = !state.before;
  for (const id of ["pin", "save", "near", "to-center", "roll", "best", "diverse"]) byId(id).disabled = !state.picture;
});
