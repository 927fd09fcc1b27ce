// Where small pictures come from: files that are dropped, pasted or chosen, crops of large ones, test images.

import { act, app, beginWith, byId, onShow, say } from "./app.js";
import * as backend from "./backend.js";
import { openCropper } from "./cropper.js";

const LARGEST_KEPT = 200_000; // bytes of a file that the browser keeps, for a server that was started again
let large = null; // what was uploaded last: {large, width, height}

const remember = (picture, source) => {
  try {
    localStorage.setItem(`lag-picture-${picture}`, JSON.stringify(source));
  } catch {
    // it is full: a server that is started again will have to be given the picture once more
  }
};

const asText = (blob) =>
  new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.readAsDataURL(blob);
  });

const asBlob = (text) => new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]);

// Gives the server a picture again; whether it took it.
async function restore(picture) {
  const source = JSON.parse(localStorage.getItem(`lag-picture-${picture}`) ?? "null");
  if (!source) return false;
  const said =
    source.example !== undefined
      ? await backend.example(source.example)
      : await backend.upload(asBlob(source.file), source.name);
  return said.picture === picture;
}

export async function takeExample(index, again = false) {
  const said = await backend.example(index);
  remember(said.picture, { example: index });
  beginWith(said, again);
}

async function takeFile(file) {
  const most = app.model.most_bytes;
  if (file.size > most) throw new Error(`The file has more than ${most} bytes: give a smaller picture.`);
  say("Reading the picture…");
  const said = await backend.upload(file, file.name ?? "").finally(() => say(""));
  large = said;
  const notes = said.notes.length ? `The picture was read ${said.notes.join("; ")}.` : "";
  byId("notes").textContent = notes;
  byId("notes").hidden = !notes;
  byId("crop-again").hidden = false;
  if (!said.picture) {
    say("The picture is large: choose what of it to make small.");
    openCropper(large, takeCrop);
    return;
  }
  if (file.size <= LARGEST_KEPT) remember(said.picture, { file: await asText(file), name: file.name ?? "" });
  beginWith(said);
}

async function takeCrop(box, size) {
  const said = await backend.crop(large.large, box, size);
  const small = await backend.small(said.picture);
  remember(said.picture, { file: await asText(small), name: "small.png" });
  beginWith(said);
}

function showThumbs() {
  const thumbs = byId("thumbs");
  for (let i = 0; i < app.model.examples && !thumbs.children[i]; i++) {
    const button = document.createElement("button");
    const image = document.createElement("img");
    Object.assign(image, { src: backend.thumbnail(i), alt: `Test image ${i}`, loading: "lazy", width: 48, height: 48 });
    button.append(image);
    button.addEventListener("click", act(() => takeExample(i)));
    thumbs.append(button);
  }
}

export function startInput() {
  backend.onMissing(restore);
  byId("examples").hidden = !app.model.examples;
  byId("examples").addEventListener("toggle", showThumbs);
  const file = byId("file");
  byId("open").addEventListener("click", () => file.click());
  file.addEventListener("change", act(async () => {
    const [chosen] = file.files;
    file.value = ""; // so that the same file can be chosen again
    if (chosen) await takeFile(chosen);
  }));
  addEventListener("dragover", (e) => {
    e.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", act(async (e) => {
    e.preventDefault();
    document.body.classList.remove("dropping");
    const [dropped] = e.dataTransfer.files;
    if (dropped) await takeFile(dropped);
    else throw new Error("That was no file: drop a picture's file.");
  }));
  addEventListener("paste", act(async (e) => {
    const [pasted] = e.clipboardData.files;
    if (pasted) await takeFile(pasted);
  }));
  byId("crop-again").addEventListener("click", () => openCropper(large, takeCrop));
  onShow((state) => {
    byId("compare").querySelector("[value=original]").disabled = !state.original;
  });
}
