// The generator, run in the page by onnxruntime-web.

import { ApiError } from "../errors.js";

const HERE = new URL("../../", import.meta.url); // the folder of index.html

export async function load() {
  const facts = await (await fetch(new URL("model.json", HERE))).json();
  const ort = await import(new URL("onnxruntime/ort.js", HERE));
  ort.env.wasm.numThreads = 1; // more need headers that not every web server sends
  ort.env.wasm.wasmPaths = { wasm: new URL("onnxruntime/ort.wasm", HERE).href };
  const session = await ort.InferenceSession.create(new URL("model.onnx", HERE).href, { executionProviders: ["wasm"] });

  let turn = Promise.resolve(); // the model works for one at a time

  // lores [h, w, colours] in [-1, 1] and z [h, w, noise_dim] to an image [scale h, scale w, colours].
  function generate(...inputs) {
    const made = turn.then(() => run(...inputs));
    turn = made.catch(() => null);
    return made;
  }

  async function run(lores, z, width, height) {
    const tensor = (values, channels) => new ort.Tensor("float32", values, [1, height, width, channels]);
    try {
      const made = await session.run({ lores: tensor(lores, facts.colors), z: tensor(z, facts.noise_dim) });
      return made.hires.data;
    } catch (e) {
      throw new ApiError(500, `onnxruntime cannot make an image: ${e.message ?? e}`);
    }
  }
  return { facts, generate };
}
