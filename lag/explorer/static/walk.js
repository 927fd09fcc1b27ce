// The way between two candidates, as a slider and as an animation.

import { act, app, byId, change, download, onShow, recipeOf, slider } from "./app.js";
import * as backend from "./backend.js";
import { describe, walk } from "./candidates.js";
import { fetchOne } from "./results.js";

const FRAMES = 24;

function end(which) {
  byId(`walk-${which}`).addEventListener("click", () => change({ walk: { ...app.state.walk, [which]: app.state.focus } }));
}
end("from");
end("to");

slider("walk-at", (state) => state.walk.at, (at) => {
  const { from, to } = app.state.walk;
  return { walk: { from, to, at }, focus: walk(from, to, at), before: null };
});

byId("walk-save").addEventListener("click", act(async () => {
  const { from, to } = app.state.walk;
  const file = await backend.animation(recipeOf(walk(from, to, 0)), FRAMES);
  download(file, `lag_walk.${file.type === "image/webp" ? "webp" : "png"}`);
}));

onShow(async (state) => {
  const { from, to } = state.walk;
  byId("walk-said").hidden = Boolean(from && to);
  byId("walk-at").disabled = byId("walk-save").disabled = !from || !to;
  byId("walk-from").disabled = byId("walk-to").disabled = !state.picture;
  for (const [which, candidate] of [["from", from], ["to", to]]) {
    const image = byId(`walk-${which}-img`);
    image.hidden = !candidate;
    if (!candidate) continue;
    const result = await fetchOne(recipeOf(candidate)).catch(() => null);
    if (result) Object.assign(image, { src: result.url, alt: describe(candidate) });
  }
});
