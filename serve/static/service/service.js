// What the page asks the service, and every failure of it as words for a person.

import { Client, ServiceProblem } from "../client/rgbd-motion.js";
import { Problem } from "../elements/problem.js";
import { askForKey, storedKey } from "./key.js";

/** @import { Answer, ClipRequest, Explanation, LiveHello, Model, ModelDetails, PreviewReply } from "../types.d.ts" */
/** @import { ServiceState, StreamName } from "../types.d.ts" */

const ROOT = new URL("../..", import.meta.url); // wherever a proxy has put the service
const EXAMPLE = { rgb: "rgb.mp4", depth: "depth.mkv" };
const PASSING = [0, 408, 429, 500, 502, 503, 504, 507];
const OF_ONE_REQUEST = ["overloaded", "decoder_killed"]; // with 503: the service is up
const NO_TITLE = "The service failed"; // a proxy in front of it answered with a page of its own
const NO_KEY = "This service answers those who have a key; its owner hands them out.";
const OUT_OF_REACH = "Check that it is running and that the file was not moved, then try again.";

// A person presses a button to try again, and sees until then why.
const client = new Client({ address: ROOT, key: storedKey, onRefusedKey: askForKey, numRetries: 0 });

/**
 * The models that are ready, the newest version of each first.
 *
 * @returns {Promise<Model[]>}
 */
export async function listModels() {
  const models = await said(client.models());
  if (models.length > 0) return models;
  throw new Problem("No model is loaded", "The service's owner has to load one.", { retry: "Try again", isDown: true });
}

/** @type {(model: Model) => Promise<ModelDetails>} */
export const describeModel = (model) => said(client.describe(model));
/** @type {(clip: ClipRequest, signal: AbortSignal) => Promise<PreviewReply>} */
export const preview = ({ files, ...clip }, signal) => said(client.preview(files, asked(clip, {}, signal)));
/**
 * What `query` asks for, such as `people` and `windows`, goes beyond the best five.
 *
 * @type {(clip: ClipRequest, query: Record<string, string>, signal: AbortSignal) => Promise<Answer>}
 */
export const predict = ({ files, ...clip }, query, signal) =>
  said(client.predict(files, asked(clip, { top_k: "5", ...query }, signal)));
/** @type {(clip: ClipRequest, query: Record<string, string>, signal: AbortSignal) => Promise<Explanation>} */
export const explain = ({ files, ...clip }, query, signal) => said(client.explain(files, asked(clip, query, signal)));
/** @type {() => Promise<ServiceState>} */
export const readState = () => said(client.state());
/** @param {LiveHello} hello */
export const openStream = (hello) => client.live(hello);

/**
 * The built-in recording's file for a stream, like those that a person drops.
 *
 * @param {StreamName} stream
 */
export async function fetchExample(stream) {
  return new File([await said(client.file(`static/example/${EXAMPLE[stream]}`))], `example_${EXAMPLE[stream]}`);
}

/**
 * @param {Pick<ClipRequest, "model" | "meta">} clip
 * @param {Record<string, string>} query
 * @param {AbortSignal} signal
 */
const asked = ({ model, meta }, query, signal) => ({
  query: { model: model.name, version: model.version, ...query },
  meta,
  signal,
});

/**
 * @template T
 * @param {Promise<T>} answer
 */
const said = (answer) =>
  answer.catch((error) => {
    throw error instanceof ServiceProblem ? inWords(error) : error;
  });

/** @param {ServiceProblem} refused */
export function inWords({ problem, status, word, retryAfterS }) {
  const { title = NO_TITLE, detail, request_id: request } = problem;
  if (!status && !word) {
    return new Problem("The service cannot be reached", OUT_OF_REACH, { retry: "Try again", isDown: true });
  }
  if (status === 401) return new Problem(title, NO_KEY, { word, retry: "Enter a key" });
  const isDown = word === "unknown_model" || (status === 503 && !OF_ONE_REQUEST.includes(word));
  const wait = status === 429 && retryAfterS !== null ? ` Try again in ${retryAfterS} s.` : "";
  return new Problem(title, sentence(detail ?? `It answered with status ${status}`) + wait, {
    word,
    note: request ? `${word}, request ${request}` : "",
    retry: isDown || PASSING.includes(status) ? "Try again" : "",
    isDown,
  });
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
