// PNG files, with what made them as text, and animations of them.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}

const words = (...values) => {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value));
  return new Uint8Array(view.buffer);
};

function joined(...parts) {
  const made = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

const ascii = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));

function chunk(name, content) {
  const body = joined(ascii(name), content);
  return joined(words(content.length), body, words(crc(body)));
}

const head = ({ width, height, channels }) =>
  chunk("IHDR", joined(words(width, height), Uint8Array.of(8, channels === 3 ? 2 : 0, 0, 0, 0)));

// Each row as the differences of neighbours, which become smaller files.
async function packed({ width, height, channels, data }) {
  const length = width * channels;
  const rows = new Uint8Array(height * (length + 1));
  for (let y = 0; y < height; y++) {
    const [from, to] = [y * length, y * (length + 1)];
    rows[to] = 1;
    for (let i = 0; i < length; i++) rows[to + 1 + i] = data[from + i] - (i < channels ? 0 : data[from + i - channels]);
  }
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A picture {width, height, channels, data} as a PNG file; text: {keyword: ASCII}.
export async function encode(picture, text = {}) {
  const texts = Object.entries(text).map(([keyword, content]) => chunk("tEXt", ascii(`${keyword}\0${content}`)));
  const parts = [SIGNATURE, head(picture), ...texts, chunk("IDAT", await packed(picture)), chunk("IEND", [])];
  return new Blob([joined(...parts)], { type: "image/png" });
}

// Pictures of one size as an endless animated PNG.
export async function animate(pictures, milliseconds) {
  const [first] = pictures;
  const parts = [SIGNATURE, head(first), chunk("acTL", words(pictures.length, 0))];
  let number = 0;
  for (const picture of pictures) {
    const time = Uint8Array.of(milliseconds >> 8, milliseconds & 0xff, 1000 >> 8, 1000 & 0xff, 0, 0);
    parts.push(chunk("fcTL", joined(words(number++, first.width, first.height, 0, 0), time)));
    const content = await packed(picture);
    parts.push(picture === first && number === 1 ? chunk("IDAT", content) : chunk("fdAT", joined(words(number++), content)));
  }
  return new Blob([joined(...parts, chunk("IEND", []))], { type: "image/apng" });
}
