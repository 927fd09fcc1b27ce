// Enlarging by bicubic interpolation as Pillow does it: along rows, then along columns, in whole numbers.

const BITS = 22;

function cubic(x) {
  const a = -0.5;
  x = Math.abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// What each place of a line `scale` times as long is made of: [first place, weights].
function weights(length, scale) {
  return Array.from({ length: length * scale }, (_, i) => {
    const center = (i + 0.5) / scale;
    const first = Math.max(0, Math.trunc(center - 2 + 0.5));
    const last = Math.min(length, Math.trunc(center + 2 + 0.5));
    const made = Array.from({ length: last - first }, (_, k) => cubic(k + first - center + 0.5));
    const total = made.reduce((a, b) => a + b, 0);
    return [first, made.map((w) => Math.trunc((w / total) * 2 ** BITS + (w < 0 ? -0.5 : 0.5)))];
  });
}

// One line of `count` values, `step` apart, into another.
function stretch(source, from, step, target, to, jump, table) {
  table.forEach(([first, parts], i) => {
    let sum = 2 ** (BITS - 1);
    parts.forEach((weight, k) => (sum += weight * source[from + (first + k) * step]));
    target[to + i * jump] = Math.max(0, Math.min(255, Math.floor(sum / 2 ** BITS)));
  });
}

export function bicubic({ width, height, channels, data }, scale) {
  const [columns, rows] = [weights(width, scale), weights(height, scale)];
  const wide = new Uint8Array(data.length * scale);
  for (let y = 0; y < height; y++)
    for (let c = 0; c < channels; c++)
      stretch(data, y * width * channels + c, channels, wide, y * width * scale * channels + c, channels, columns);
  const made = new Uint8Array(wide.length * scale);
  const step = width * scale * channels;
  for (let i = 0; i < step; i++) stretch(wide, i, step, made, i, step, rows);
  return { width: width * scale, height: height * scale, channels, data: made };
}
