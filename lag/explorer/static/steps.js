// The state in the URL: every step is an entry of the browser's history, so that undo is back, and reload keeps all.

const LAST = "lag-explorer-last-step";

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

export function push(state) {
  const step = here() + 1;
  history.pushState({ step }, "", url(state));
  sessionStorage.setItem(LAST, step);
}

export function replace(state) {
  history.replaceState({ step: here() }, "", url(state));
}

export const canUndo = () => here() > 0;
export const canRedo = () => here() < last();
export const undo = () => canUndo() && history.back();
export const redo = () => canRedo() && history.forward();

export function start() {
  if (!history.state) sessionStorage.setItem(LAST, 0);
}

export function onTravel(callback) {
  addEventListener("popstate", () => callback(read()));
}
