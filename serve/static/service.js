// Talks to the service: every request of the page, and every failure of one as words for a person.

import { Problem } from "./problem.js";

const TITLES = {
  400: "The request is incomplete",
  413: "The recording is too large",
  415: "This kind of file is not known",
  422: "The recording cannot be used",
  429: "The service is busy",
  503: "The service is not ready",
  504: "It took too long",
};
const PASSING = [429, 500, 502, 503, 504];

/** The model that is served, with all there is to know about it. */
export async function describeModel() {
  const { models } = await request("v2/models");
  return request(`v2/models/${encodeURIComponent(models[0].name)}`);
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
  let response, body;
  try {
    response = await fetch(path, options);
    body = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!response) throw unreachable(); // else a proxy answered with a page of its own
  }
  if (response.ok && body) return body;
  throw new Problem(
    TITLES[response.status] ?? "The service failed",
    sentence(body?.detail ?? `It answered with status ${response.status}`),
    {
      note: body?.request_id ? `${body.error}, request ${body.request_id}` : "",
      isPassing: PASSING.includes(response.status),
      isDown: response.status === 503,
    },
  );
}

function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

function unreachable() {
  const remedy = "Check that it is running and that the file was not moved, then try again.";
  return new Problem("The service cannot be reached", remedy, { isPassing: true, isDown: true });
}
