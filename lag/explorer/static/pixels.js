// Pictures as ImageData: decoding, enlarging, painting, differences.

export async function decode(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

export function enlarged(pixels, width, height) {
  const made = new ImageData(width, height);
  const source = new Uint32Array(pixels.data.buffer);
  const target = new Uint32Array(made.data.buffer);
  for (let y = 0; y < height; y++) {
    const row = Math.floor((y * pixels.height) / height) * pixels.width;
    for (let x = 0; x < width; x++) target[y * width + x] = source[row + Math.floor((x * pixels.width) / width)];
  }
  return made;
}

// A small picture with a recipe's paint over it: pixels [row, column, level, ...] of one or three levels.
export function painted(small, paint) {
  const made = new ImageData(new Uint8ClampedArray(small.data), small.width, small.height);
  for (const [row, column, ...levels] of paint) {
    const rgb = levels.length === 1 ? [levels[0], levels[0], levels[0]] : levels;
    made.data.set([...rgb, 255], 4 * (row * small.width + column));
  }
  return made;
}

// A picture of how two differ, coloured by the change of each pixel, and the mean change.
function map(a, b, color) {
  const made = new ImageData(a.width, a.height);
  let sum = 0;
  for (let i = 0; i < a.data.length; i += 4) {
    const change = [0, 1, 2].map((c) => Math.abs(a.data[i + c] - b.data[i + c]));
    sum += change[0] + change[1] + change[2];
    made.data.set(color(change), i);
    made.data[i + 3] = 255;
  }
  return { pixels: made, mean: sum / (3 * a.width * a.height) };
}

// Four times the difference of each colour.
export const difference = (a, b) => map(a, b, (change) => change.map((v) => Math.min(255, 4 * v)));

// Black, purple, orange, white: no change to a change of 64 grey levels and more.
const STOPS = [[0, 0, 0], [90, 20, 130], [230, 100, 40], [255, 245, 220]];

export const heat = (a, b) =>
  map(a, b, (change) => {
    const at = Math.min(1, (change[0] + change[1] + change[2]) / 3 / 64) * (STOPS.length - 1);
    const k = Math.min(STOPS.length - 2, Math.floor(at));
    return STOPS[k].map((v, c) => Math.round(v + (at - k) * (STOPS[k + 1][c] - v)));
  });

export function draw(canvas, pixels, factor = 1) {
  canvas.width = pixels.width * factor;
  canvas.height = pixels.height * factor;
  canvas.getContext("2d").putImageData(factor === 1 ? pixels : enlarged(pixels, canvas.width, canvas.height), 0, 0);
}
