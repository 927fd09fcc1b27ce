// SHA-256, since browsers have theirs for pages of https and of this machine only.

const PRIMES = (() => {
  const found = [];
  for (let n = 2; found.length < 64; n++) if (found.every((p) => n % p)) found.push(n);
  return found;
})();
const fraction = (value) => Math.floor((value - Math.floor(value)) * 2 ** 32);
const K = Uint32Array.from(PRIMES, (p) => fraction(Math.cbrt(p)));
const START = Uint32Array.from(PRIMES.slice(0, 8), (p) => fraction(Math.sqrt(p)));

const turned = (x, n) => (x >>> n) | (x << (32 - n));

function padded(bytes) {
  const made = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  made.set(bytes);
  made[bytes.length] = 0x80;
  const view = new DataView(made.buffer);
  view.setUint32(made.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(made.length - 4, (bytes.length * 8) >>> 0);
  return view;
}

export function sha256(bytes) {
  const view = padded(bytes);
  const state = Uint32Array.from(START);
  const w = new Uint32Array(64);
  for (let block = 0; block < view.byteLength; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(block + 4 * i);
    for (let i = 16; i < 64; i++) {
      const low = turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ (w[i - 15] >>> 3);
      const high = turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ (w[i - 2] >>> 10);
      w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
      const second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
  }
  const made = new Uint8Array(32);
  state.forEach((word, i) => new DataView(made.buffer).setUint32(4 * i, word));
  return made;
}

export const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
export const ofText = (text) => sha256(new TextEncoder().encode(text));
