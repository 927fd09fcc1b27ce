// Files as pictures {width, height, channels, data}: upright, in sRGB, of 8 bits, opaque.

import { ApiError } from "../errors.js";

const GREY_KINDS = [0, 4]; // of PNG files

async function isGreyPng(blob) {
  const start = new Uint8Array(await blob.slice(0, 26).arrayBuffer());
  return start[1] === 0x50 && start[2] === 0x4e && start[3] === 0x47 && GREY_KINDS.includes(start[25]);
}

// The whole picture: {bitmap, grey}.
export async function open(blob) {
  try {
    return { bitmap: await createImageBitmap(blob), grey: await isGreyPng(blob) };
  } catch {
    throw new ApiError(400, "cannot read it as a picture: this browser knows no such file");
  }
}

// A part of it, [left, top, width, height], at a size; colors: of the model.
export function cut({ bitmap, grey }, [left, top, width, height], columns, rows, colors) {
  const context = new OffscreenCanvas(columns, rows).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, left, top, width, height, 0, 0, columns, rows);
  let seen = context.getImageData(0, 0, columns, rows).data;
  const transparent = seen.some((v, i) => i % 4 === 3 && v < 255);
  if (transparent) {
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, columns, rows);
    seen = context.getImageData(0, 0, columns, rows).data;
  }
  const channels = grey || colors === 1 ? 1 : 3;
  const data = new Uint8Array(columns * rows * channels);
  for (let i = 0; i < columns * rows; i++) {
    const [red, green, blue] = seen.subarray(4 * i, 4 * i + 3);
    if (channels === 3) data.set([red, green, blue], 3 * i);
    else data[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >>> 16; // Pillow's weights
  }
  return { width: columns, height: rows, channels, data, transparent };
}
