// Candidates as data: {seed, operations}. A recipe adds the model, the picture, its paint, and whether it is consistent.

export const CENTER = { seed: 0, operations: [{ op: "sample", index: 0, noise: 0 }] };

export const sample = (seed, index, noise) => ({ seed, operations: [{ op: "sample", index, noise }] });

const then = (candidate, operation) => ({ ...candidate, operations: [...candidate.operations, operation] });

// A number whose noise a candidate does not hold yet.
export function unused(candidate, op) {
  const indices = (operations) =>
    operations.flatMap((o) => (o.op === "walk" ? indices(o.to) : o.op === op ? [o.index] : []));
  return 1 + Math.max(0, ...indices(candidate.operations));
}

export const near = (candidate, index, noise, degrees) => then(candidate, { op: "near", index, noise, degrees });

export const region = (candidate, cells, index, noise, hold) =>
  then(candidate, { op: "region", cells, index, noise, hold });

export const walk = (from, to, at) => then(from, { op: "walk", seed: to.seed, to: to.operations, at });

export function recipe(state, model, candidate) {
  const paint = state.paint.length ? [{ op: "paint", pixels: state.paint }] : [];
  const consistent = state.consistent ? [{ op: "consistent" }] : [];
  const operations = [...paint, ...candidate.operations, ...consistent];
  return { recipe: 1, model: model.fingerprint, picture: state.picture, seed: candidate.seed, operations };
}

export function describe(candidate) {
  return candidate.operations
    .filter((o) => o.op !== "paint" && o.op !== "consistent")
    .map((o) => {
      if (o.op === "sample") return o.index ? `sample ${o.index} of seed ${candidate.seed}` : "the centre";
      if (o.op === "near") return `${Math.round(o.degrees)}° away`;
      if (o.op === "region") return o.hold ? "region re-rolled" : "region re-rolled, the rest follows";
      return `${Math.round(100 * o.at)} % of a walk`;
    })
    .join(", ");
}

// A mask of cells [row][column] as a recipe writes it, and back.
export function toHex(mask, width, height) {
  const bytes = new Uint8Array(Math.ceil((width * height) / 8));
  for (const cell of mask) bytes[cell >> 3] |= 0x80 >> (cell & 7);
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export function fromHex(cells) {
  const mask = new Set();
  for (let i = 0; i < cells.length / 2; i++) {
    const byte = parseInt(cells.slice(2 * i, 2 * i + 2), 16);
    for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) mask.add(8 * i + bit);
  }
  return mask;
}
