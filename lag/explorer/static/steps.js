// The state in the URL: every step is an entry of the browser's history, so that undo is back, and reload keeps all.

const LAST = "lag-explorer-last-step";
const PAUSE = 400; // ms between addresses while a slider moves: some browsers take but 100 in half a minute
let waiting = null; // the state of the last step whose address is not written yet
let timer = 0;

const here = () => history.state?.step ?? 0;
const last = () => Number(sessionStorage.getItem(LAST) ?? 0);

export function read() {
  try {
    const value = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    return value && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

const url = (state) => `#${encodeURIComponent(JSON.stringify(state))}`;

// A browser that was given too many addresses throws, or takes no notice: the page goes on, and the next one may do.
function written(way, step, state) {
  try {
    history[way]({ step }, "", url(state));
  } catch {
    return false;
  }
  return here() === step;
}

export function push(state) {
  settle();
  const step = here() + 1;
  if (written("pushState", step, state)) sessionStorage.setItem(LAST, step);
}

export function replace(state) {
  waiting = state;
  if (!timer) write();
}

function write() {
  timer = 0;
  if (!waiting) return;
  written("replaceState", here(), waiting);
  waiting = null;
  timer = setTimeout(write, PAUSE);
}

// Writes what waits: a slider rests, or another step follows.
export function settle() {
  clearTimeout(timer);
  write();
}

export const canUndo = () => here() > 0;
export const canRedo = () => here() < last();
export function undo() {
  settle();
  if (canUndo()) history.back();
}
export const redo = () => canRedo() && history.forward();

export function start() {
  if (!history.state) sessionStorage.setItem(LAST, 0);
}

export function onTravel(callback) {
  addEventListener("popstate", () => {
    waiting = null; // it was of the step that was left
    callback(read());
  });
}
