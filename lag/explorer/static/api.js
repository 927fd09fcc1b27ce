// Requests to the server: JSON in and out, a busy server is asked again, what is wrong is an error of one line.

const TRIES = 40;
let restore = null; // what gives the server a picture again that it has forgotten

export class ApiError extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export function onMissing(callback) {
  restore = callback;
}

async function ask(url, options = {}) {
  for (let tries = 1; ; tries++) {
    let answer;
    try {
      answer = await fetch(url, options);
    } catch {
      throw new ApiError(0, "The server does not answer. Is it still running?");
    }
    if (answer.ok) return answer;
    if (answer.status === 503 && tries < TRIES) {
      await new Promise((resolve) => setTimeout(resolve, 150 + 350 * Math.random()));
      continue;
    }
    const said = await answer.json().catch(() => ({}));
    throw new ApiError(answer.status, said.error ?? answer.statusText);
  }
}

async function askAgain(url, options, picture) {
  try {
    return await ask(url, options);
  } catch (e) {
    if (e.status !== 404 || !picture || !restore || !(await restore(picture))) throw e;
    return ask(url, options);
  }
}

export async function get(url) {
  return (await ask(url)).json();
}

export async function getBlob(url, picture = null) {
  return (await askAgain(url, {}, picture)).blob();
}

function body(value) {
  return { method: "POST", body: JSON.stringify(value), headers: { "Content-Type": "application/json" } };
}

export async function post(url, value, { picture } = {}) {
  return (await askAgain(url, body(value), picture)).json();
}

export async function postForBlob(url, value, { picture } = {}) {
  return (await askAgain(url, body(value), picture)).blob();
}

export async function upload(blob, name) {
  const headers = { "Content-Type": "application/octet-stream" };
  const url = `/api/pictures?name=${encodeURIComponent(name)}`;
  return (await ask(url, { method: "POST", body: blob, headers })).json();
}
