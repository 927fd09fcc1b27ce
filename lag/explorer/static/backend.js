// Who does the work that the page asks for: a server, or the page itself where there is none. index.html names the module.
// A picture that it has forgotten is given to it again.

const other = await import(document.querySelector("meta[name=backend]").content);
let restore = null; // what gives it a picture again: whether it took it

export function onMissing(callback) {
  restore = callback;
}

async function again(picture, work) {
  try {
    return await work();
  } catch (e) {
    if (e.status !== 404 || !picture || !restore || !(await restore(picture))) throw e;
    return work();
  }
}

// What the model is.
export const describe = () => other.describe();

// Small pictures of files, of squares [left, top, side] of large ones, of test images: {picture: its name, ...}.
export const upload = (blob, name) => other.upload(blob, name);
export const crop = (large, box, size) => other.crop(large, box, size);
export const example = (index) => other.example(index);

// Addresses of pictures to look at.
export const preview = (large) => other.preview(large);
export const thumbnail = (index) => other.thumbnail(index);

// Pictures as files.
export const small = (picture) => again(picture, () => other.small(picture));
export const file = (picture) => again(picture, () => other.file(picture)); // the small one, to the last bit
export const original = (picture) => again(picture, () => other.original(picture));
export const bicubic = (recipe) => again(recipe.picture, () => other.bicubic(recipe));
export const animation = (recipe, frames) => again(recipe.picture, () => other.animation(recipe, frames));

// Candidates of one picture: [{recipe, digest, blob, lores_rmse, lores_max, from_center}, ...].
export const render = (recipes) => again(recipes[0].picture, () => other.render(recipes));

// What the critic says.
export const scores = (recipes) => again(recipes[0].picture, () => other.scores(recipes));
export const choose = (recipe, choice) => again(recipe.picture, () => other.choose(recipe, choice));
