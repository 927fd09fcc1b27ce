// The numbers of libml/philox.py and the keys of libml/seeds.py, to the last bit.

import { ofText } from "./sha256.js";

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57];
const WEYL = [0x9e3779b9, 0xbb67ae85];
const ROUNDS = 10;
const MIXING_KEY = [0x3ec8f720, 0x02461e29];

// The upper 32 bits of a product of two words.
function upper(a, b) {
  const [al, ah, bl, bh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const [low, left, right] = [al * bl, ah * bl, al * bh];
  const middle = (low >>> 16) + (left & 0xffff) + (right & 0xffff);
  return (ah * bh + (left >>> 16) + (right >>> 16) + (middle >>> 16)) >>> 0;
}

// Four random words of a counter of four words.
function philox([a, b, c, d], [k0, k1]) {
  for (let round = 0; round < ROUNDS; round++) {
    const first = [upper(MULTIPLIERS[0], a), Math.imul(MULTIPLIERS[0], a)];
    const second = [upper(MULTIPLIERS[1], c), Math.imul(MULTIPLIERS[1], c)];
    [a, b] = [(second[0] ^ b ^ k0) >>> 0, second[1] >>> 0];
    [c, d] = [(first[0] ^ d ^ k1) >>> 0, first[1] >>> 0];
    [k0, k1] = [(k0 + WEYL[0]) >>> 0, (k1 + WEYL[1]) >>> 0];
  }
  return [a, b, c, d];
}

// The key of a seed and a purpose: 62 bits, as [low word, high word].
export function key(seed, purpose) {
  const view = new DataView(ofText(`${seed}/${purpose}`).buffer);
  const [low, high] = [view.getUint32(0, true), view.getUint32(4, true)];
  return [((low >>> 2) | (high << 30)) >>> 0, high >>> 2];
}

const unit = (word) => (word & 0x7fffff) * 2 ** -23;

// Box and Muller, rounded to float32 where Python rounds.
function pair(word, other) {
  const u = Math.max(unit(word), Math.fround(1e-7));
  const radius = Math.fround(Math.sqrt(-2 * Math.fround(Math.log(u))));
  const angle = Math.fround(2 * Math.PI * unit(other));
  return [Math.fround(Math.sin(angle)) * radius, Math.fround(Math.cos(angle)) * radius];
}

// The first values of a draw: standard normal, Float32Array.
export function normals(count, [low, high], position) {
  const [k0, k1, third, fourth] = philox([low, high, position, 0], MIXING_KEY);
  const made = new Float32Array(Math.ceil(count / 4) * 4);
  for (let at = 0; at < made.length / 4; at++) {
    const words = philox([at, 0, third, fourth], [k0, k1]);
    made.set(pair(words[0], words[1]), 4 * at);
    made.set(pair(words[2], words[3]), 4 * at + 2);
  }
  return made.subarray(0, count);
}
