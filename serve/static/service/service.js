// Talks to the service: every request of the page, and every failure of one as words for a person.

import { Problem } from "../elements/problem.js";
import { askForKey, storedKey } from "./key.js";

/** @import { Answer, ClipRequest, Explanation, Model, ModelDetails, PreviewReply, Refusal } from "../types.d.ts" */
/** @import { ServiceState, StreamName } from "../types.d.ts" */
/** @typedef {[name: string, value: string | File][]} Parts */

const ROOT = new URL("../..", import.meta.url); // wherever a proxy has put the service
const EXAMPLE = { rgb: "rgb.mp4", depth: "depth.mkv" };
const PASSING = [408, 429, 500, 502, 503, 504, 507];
const OF_ONE_REQUEST = ["overloaded", "decoder_killed"]; // with 503: the service is up
const NO_TITLE = "The service failed"; // a proxy in front of it answered with a page of its own
const NO_KEY = "This service answers those who have a key; its owner hands them out.";

/**
 * The models that are ready, the newest version of each first.
 *
 * @returns {Promise<Model[]>}
 */
export async function listModels() {
  const { models } = await request("v2/models");
  if (models.length > 0) return models;
  throw new Problem("No model is loaded", "The service's owner has to load one.", { retry: "Try again", isDown: true });
}

/**
 * All there is to know about one of them.
 *
 * @param {Model} model
 * @returns {Promise<ModelDetails>}
 */
export function describeModel({ name, version }) {
  return request(`v2/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`);
}

/** @type {(clip: ClipRequest, signal: AbortSignal) => Promise<PreviewReply>} */
export const preview = (clip, signal) => post("preview", clip, signal);
/**
 * What `query` asks for, such as `people` and `windows`, goes beyond the best five.
 *
 * @type {(clip: ClipRequest, query: Record<string, string>, signal: AbortSignal) => Promise<Answer>}
 */
export const predict = (clip, query, signal) => post("predict", clip, signal, { top_k: "5", ...query });
/** @type {(clip: ClipRequest, query: Record<string, string>, signal: AbortSignal) => Promise<Explanation>} */
export const explain = (clip, query, signal) => post("explain", clip, signal, query);

/**
 * What the service does at the moment, for its owner.
 *
 * @type {() => Promise<ServiceState>}
 */
export const readState = () => request("admin/state");

/** @type {Record<StreamName, WeakMap<File, string>>} */
const kept = { rgb: new WeakMap(), depth: new WeakMap() }; // what the service calls the files that it was sent

/**
 * `clip`: the `model` that is asked, the `files` by stream, and what is said of them, `meta`. Each file is sent once,
 * and once more where the service does not have it any more.
 *
 * @param {string} path
 * @param {ClipRequest} clip
 * @param {AbortSignal} signal
 * @param {Record<string, string>} query
 */
async function post(path, { model, files, meta }, signal, query = {}) {
  const parameters = new URLSearchParams({ model: model.name, version: model.version, ...query });
  /** @type {Parts} */
  const said = Object.keys(meta).length > 0 ? [["meta", JSON.stringify(meta)]] : [];
  const ask = (/** @type {Parts} */ parts) => postForm(`${path}?${parameters}`, [...parts, ...said], signal);
  const given = /** @type {[StreamName, File][]} */ (Object.entries(files));
  const names = await Promise.all(given.map(([stream, file]) => keep(stream, file, signal)));
  try {
    return await ask(names.map((name) => ["recording", name]));
  } catch (problem) {
    if (problem.word !== "unknown_recording") throw problem;
    for (const [stream, file] of given) kept[stream].delete(file);
    return ask(given); // with the request: of several replicas, the next one to answer may not have it either
  }
}

/**
 * What the service calls a file, which is sent where it was not yet.
 *
 * @param {StreamName} stream
 * @param {File} file
 * @param {AbortSignal} signal
 */
async function keep(stream, file, signal) {
  const known = kept[stream].get(file);
  if (known) return known;
  const { recording } = await postForm("recordings", [[stream, file]], signal);
  kept[stream].set(file, recording);
  return recording;
}

/**
 * @param {string} path
 * @param {Parts} parts
 * @param {AbortSignal} signal
 */
function postForm(path, parts, signal) {
  const body = new FormData();
  for (const [name, value] of parts) body.append(name, value);
  return request(path, { method: "POST", body, signal });
}

/**
 * The built-in recording's file for a stream, like those that a person drops.
 *
 * @param {StreamName} stream
 */
export async function fetchExample(stream) {
  const response = await send(`static/example/${EXAMPLE[stream]}`);
  if (!response.ok) throw refusal(response, null);
  return new File([await response.blob()], `example_${EXAMPLE[stream]}`);
}

/**
 * @param {string} path
 * @param {RequestInit} options
 * @returns {Promise<any>} what the service answers as JSON
 */
async function request(path, options = {}) {
  const key = storedKey();
  const response = await send(path, { ...options, headers: key === null ? {} : { Authorization: `Bearer ${key}` } });
  const body = await readJson(response);
  if (response.ok && body) return body;
  if (response.status === 401 && (await askForKey(key))) return request(path, options);
  throw refusal(response, body);
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 */
async function send(path, options) {
  try {
    return await fetch(new URL(path, ROOT), options);
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
}

/** @param {Response} response */
async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null; // a proxy answered with a page of its own
  }
}

/**
 * @param {Response} response
 * @param {Refusal | null} body
 */
function refusal({ status, headers }, body) {
  const word = body?.error?.split(":")[0] ?? ""; // the Open Inference Protocol has the detail behind it
  if (status === 401) return new Problem(body?.title ?? NO_TITLE, NO_KEY, { word, retry: "Enter a key" });
  const isDown = word === "unknown_model" || (status === 503 && !OF_ONE_REQUEST.includes(word));
  const wait = status === 429 && headers.has("Retry-After") ? ` Try again in ${headers.get("Retry-After")} s.` : "";
  return new Problem(
    body?.title ?? NO_TITLE,
    sentence(body?.detail ?? `It answered with status ${status}`) + wait,
    {
      word,
      note: body?.request_id ? `${word}, request ${body.request_id}` : "",
      retry: isDown || PASSING.includes(status) ? "Try again" : "",
      isDown,
    },
  );
}

/**
 * The service's words as a sentence of this page, which calls rgb the colour stream.
 *
 * @param {string} detail
 */
function sentence(detail) {
  const text = detail.replace(/^rgb\b/, "colour");
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

function unreachable() {
  const remedy = "Check that it is running and that the file was not moved, then try again.";
  return new Problem("The service cannot be reached", remedy, { retry: "Try again", isDown: true });
}
