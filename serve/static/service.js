// Talks to the service: every request of the page, and every failure of one as words for a person.

export class Problem extends Error {
  /** `title` in a few words, `message` with the remedy, `note` for a report to the service's owner. */
  constructor(title, message, note = "", isDown = false) {
    super(message);
    this.title = title;
    this.note = note;
    this.isDown = isDown;
  }
}

const TITLES = {
  400: "The request is incomplete",
  413: "The recording is too large",
  415: "This kind of file is not known",
  422: "The recording cannot be used",
  429: "The service is busy",
  503: "The service is not ready",
  504: "It took too long",
};

export async function listModels() {
  return (await request("v2/models")).models;
}

export function preview(stream, file, depthScale, signal) {
  return request("preview", { method: "POST", body: form({ [stream]: file }, depthScale), signal });
}

export function predict(files, depthScale, signal) {
  return request("predict?top_k=5", { method: "POST", body: form(files, depthScale), signal });
}

function form(files, depthScale) {
  const data = new FormData();
  for (const [stream, file] of Object.entries(files)) data.append(stream, file, file.name);
  if (depthScale !== 1) data.append("meta", JSON.stringify({ depth_scale_mm: depthScale }));
  return data;
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // The browser says the same when the service is gone and when a file changed on disk after it was chosen.
    throw new Problem("The service cannot be reached", "Check that it is running, then try again.", "", true);
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body) return body;
  const title = TITLES[response.status] ?? "The service failed";
  const detail = sentence(body?.detail ?? `It answered with status ${response.status}.`);
  const note = body?.request_id ? `${body.error} · request ${body.request_id}` : "";
  throw new Problem(title, detail, note, response.status === 503);
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
