// How well a large picture agrees with the small one, and making it agree, as lag/upscaling/consistency.py does.
// A picture is {width, height, channels, data}, with its grey levels row by row.

export const rint = (value) => {
  const below = Math.floor(value);
  const part = value - below;
  if (part !== 0.5) return part < 0.5 ? below : below + 1;
  return below % 2 ? below + 1 : below;
};
export const toByte = (value) => Math.max(0, Math.min(255, rint(value)));

const sum = (values) => values.reduce((total, value) => total + value, 0);

// Calls work(the place of the small picture's value, the places of its box in the large one) for each of them.
export function eachBox({ width, height, channels }, scale, work) {
  const places = new Array(scale * scale);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        for (let i = 0; i < scale; i++)
          for (let j = 0; j < scale; j++)
            places[i * scale + j] = ((y * scale + i) * width * scale + x * scale + j) * channels + c;
        work((y * width + x) * channels + c, places);
      }
}

// The small picture of a large one: box means, rounded.
export function shrunk(large, scale) {
  const [width, height] = [Math.floor(large.width / scale), Math.floor(large.height / scale)];
  const small = { width, height, channels: large.channels };
  small.data = new Uint8Array(width * height * small.channels);
  eachBox(small, scale, (at, places) => (small.data[at] = toByte(sum(places.map((p) => large.data[p])) / scale ** 2)));
  return small;
}

// Box means minus the small picture's levels.
export function errors(data, small, scale) {
  const made = new Float64Array(small.data.length);
  eachBox(small, scale, (at, places) => (made[at] = sum(places.map((p) => data[p])) / scale ** 2 - small.data[at]));
  return made;
}

// The levels nearest to `levels` whose box means are the small picture: Uint8Array.
export function project(levels, small, scale) {
  const made = new Uint8Array(levels.length);
  eachBox(small, scale, (at, places) => {
    const aim = small.data[at];
    let box = places.map((p) => levels[p]);
    const shift = aim - sum(box) / box.length;
    box = box.map((v) => v + shift);
    if (Math.min(...box) < 0 || Math.max(...box) > 255) box = shiftedAndCut(box, aim);
    const floors = box.map(Math.floor);
    const short = rint(aim * box.length - sum(floors));
    const order = box.map((_, i) => i).sort((i, j) => floors[i] - box[i] - (floors[j] - box[j]));
    order.forEach((i, rank) => (made[places[i]] = floors[i] + (rank < short ? 1 : 0)));
  });
  return made;
}

// A box shifted by one number, so that cut to 0..255 its mean is `aim`: found by bisection.
function shiftedAndCut(box, aim) {
  const cut = (value) => Math.max(0, Math.min(255, value));
  let [low, high] = [-Math.max(...box), 255 - Math.min(...box)];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (sum(box.map((v) => cut(v + middle))) / box.length < aim) low = middle;
    else high = middle;
  }
  return box.map((v) => cut(v + (low + high) / 2));
}
