// The owner's page: what the service does at the moment, asked again and again.

import { create, find, partsOf } from "./elements/dom.js";
import { showProblem } from "./elements/problem.js";
import { forgetKey } from "./service/key.js";
import { readState } from "./service/service.js";

/** @import { Problem } from "./elements/problem.js" */
/** @import { ModelState, ServiceState } from "./types.d.ts" */

const POLL_MS = 2000;
const STATES = { READY: "ready", LOADING: "loading", UNAVAILABLE: "unavailable" };
const STREAMS = { rgb: "colour", depth: "depth", rgbd: "colour and depth" };

// What each cell of a model says of itself where there is no room for columns.
const MODEL_COLUMNS = [...document.querySelectorAll("[data-models] th")].map((heading) => heading.textContent);

const pulse = find("pulse");
const pulseText = /** @type {HTMLElement} */ (pulse.querySelector("[role=status]"));
const status = find("status");
/** @type {Record<"problem" | "tiles" | "models" | "refusals" | "settings", HTMLElement>} */
const parts = partsOf(status);
/** @type {number | undefined} */
let next; // the timer of the next question

async function refresh() {
  if (document.hidden) return; // it goes on when somebody looks
  try {
    show(await readState());
    askAgain();
  } catch (problem) {
    showTrouble(problem);
  }
}

function askAgain() {
  clearTimeout(next);
  next = setTimeout(refresh, POLL_MS);
}

/** @param {Problem} problem */
function showTrouble(problem) {
  say("down", problem.title);
  if (status.dataset.state === "fresh") status.dataset.state = "stale"; // what is on the page was true before
  if (problem.word === "not_admin") showProblem(parts.problem, problem, { label: "Use another key", run: changeKey });
  else if (problem.word === "unknown_key") showProblem(parts.problem, problem, { label: problem.retry, run: refresh });
  else {
    showProblem(parts.problem, problem);
    askAgain();
  }
}

function changeKey() {
  forgetKey();
  refresh();
}

/**
 * @param {"ready" | "down"} state
 * @param {string} text
 */
function say(state, text) {
  pulse.dataset.state = state;
  if (pulseText.textContent !== text) pulseText.textContent = text; // else it would be read aloud every time
}

/** @param {ServiceState} state */
function show(state) {
  const isReady = !state.draining && state.models.some((model) => model.state === "READY");
  say(isReady ? "ready" : "down", state.draining ? "Being stopped" : isReady ? "Ready" : "No model is loaded");
  status.dataset.state = "fresh";
  parts.problem.replaceChildren();
  const tiles = {
    "In flight": state.in_flight,
    "Waiting clips": state.queue_clips,
    Memory: `${count(state.memory_mb)} MiB`,
    Uptime: duration(state.uptime_s),
    Version: state.version,
  };
  parts.tiles.replaceChildren(...Object.entries(tiles).map(([title, value]) => pair(title, value)));
  parts.models.replaceChildren(...state.models.map(modelRow));
  const refusals = Object.entries(state.refusals).sort(([, a], [, b]) => b - a);
  const rows = refusals.map(([error, number]) => row([create("code", error), numeric(count(number))]));
  parts.refusals.replaceChildren(...(rows.length ? rows : [row(["none so far", ""])]));
  const settings = Object.entries(state.settings);
  parts.settings.replaceChildren(...settings.map(([name, value]) => pair(name, value === null ? "–" : `${value}`)));
}

/** @param {ModelState} model */
function modelRow(model) {
  const name = create("th", `${model.name} ${model.version}`);
  name.scope = "row";
  const state = create("span", STATES[model.state] ?? model.state, "state");
  state.dataset.state = model.state;
  const cell = create("td");
  cell.append(state);
  if (model.reason) cell.append(create("small", model.reason));
  const runsOn = [model.runtime, model.device, model.precision].filter(Boolean).join(" ");
  const numbers = [count(model.clips), count(model.batches), ms(model.mean_ms), ms(model.queue_mean_ms)];
  const streams = model.modality ? STREAMS[model.modality] : "–";
  const element = row([name, cell, streams, runsOn || "–", ...numbers.map(numeric)]);
  MODEL_COLUMNS.forEach((title, index) => (element.cells[index].dataset.title = title));
  return element;
}

/** @param {(string | HTMLElement)[]} cells */
function row(cells) {
  const element = create("tr");
  for (const cell of cells) {
    if (cell instanceof HTMLTableCellElement) element.append(cell);
    else element.append(cellOf(cell));
  }
  return element;
}

/** @param {string | HTMLElement} content */
function cellOf(content) {
  const element = create("td");
  element.append(content);
  return element;
}

/** @param {string} text */
const numeric = (text) => create("td", text, "number");

/**
 * @param {string} title
 * @param {string | number} value
 */
function pair(title, value) {
  const group = create("div");
  group.append(create("dt", title), create("dd", value));
  return group;
}

/** @param {number | null} number */
const count = (number) => (number == null ? "–" : Math.round(number).toLocaleString("en"));
/** @param {number | null} number */
const ms = (number) => (number == null ? "–" : `${number < 10 ? number.toFixed(1) : count(number)} ms`);

/** @param {number} seconds */
function duration(seconds) {
  const [days, hours, minutes] = [seconds / 86400, (seconds / 3600) % 24, (seconds / 60) % 60].map(Math.floor);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${Math.floor(seconds % 60)} s` : `${Math.floor(seconds)} s`;
}

document.addEventListener("visibilitychange", refresh);
refresh();
