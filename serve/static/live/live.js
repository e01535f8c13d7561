// The page of live streams: a camera, or a video as if it were one, and what the service sees in it.

import { ServiceProblem } from "../client/rgbd-motion.js";
import { create, find, partsOf } from "../elements/dom.js";
import { Masthead } from "../elements/masthead.js";
import { showProblem } from "../elements/problem.js";
import { describeModel, inWords, listModels, openStream } from "../service/service.js";
import { Chart } from "./chart.js";
import { Picture } from "./picture.js";

/** @import { LiveStream } from "../client/rgbd-motion.js" */
/** @import { Problem } from "../elements/problem.js" */
/** @import { LiveAnswer, LiveEvent, LiveSaid, LiveView, Model } from "../types.d.ts" */
/** @typedef {"idle" | "connecting" | "running" | "ended" | "problem" | "unable"} State */

const OVERSAMPLED = 2; // frames that are sent for each that is looked at
const MOST_FPS = 30;
const MOST_EVENTS = 50;
const LATE_MS = 500; // beyond it a person sees that the answer is late

const page = find("live");
/** @type {Record<"verdict" | "note" | "lag" | "dropped" | "looked" | "events" | "problem" | "warnings", HTMLElement>} */
const parts = partsOf(page);
/** @type {Record<"camera" | "stop", HTMLButtonElement>} */
const buttons = { camera: find("use-camera"), stop: find("stop") };
/** @type {HTMLInputElement} */
const fileInput = find("video-file");
/** @type {HTMLInputElement} */
const windowInput = find("window-s");
const box = find("box");
const picture = new Picture(find("picture"));
const chart = new Chart(find("chart"));
const masthead = new Masthead(find("model"), (model) => choose(model).catch(fail));
/** @type {Model | null} */
let asked = null;
/** Nothing starts before it is known what the model takes. */
let described = Promise.resolve();
/** @type {LiveStream | null} */
let stream = null;

buttons.camera.addEventListener("click", () => start(() => picture.openCamera()));
buttons.stop.addEventListener("click", () => stop());
fileInput.addEventListener("change", () => {
  const [file] = fileInput.files ?? [];
  fileInput.value = "";
  if (file) start(() => picture.openFile(file));
});
picture.video.addEventListener("ended", () => stop());
picture.video.addEventListener("loadedmetadata", () => {
  const { videoWidth, videoHeight, parentElement } = picture.video;
  parentElement?.style.setProperty("--aspect", `${videoWidth} / ${videoHeight}`);
});
window.addEventListener("pagehide", () => picture.close());
meet();

/** Find out which models there are. */
async function meet() {
  try {
    const models = await listModels();
    await choose(models[0], models);
  } catch (problem) {
    masthead.showProblem(problem, () => meet());
  }
}

/**
 * @param {Model} model
 * @param {Model[]} models
 */
async function choose(model, models = masthead.models) {
  stop();
  asked = model;
  masthead.showModels(models, model);
  described = describe(model);
  await described;
}

/** @param {Model} model */
async function describe(model) {
  const { alone = [], clip_s: clipS } = await describeModel(model);
  if (asked !== model) return; // another one has been chosen
  windowInput.placeholder = clipS ? `${clipS.toFixed(1)}, as trained` : "such as 2.5";
  windowInput.required = !clipS;
  const takesColour = model.modality === "rgb" || alone.includes("rgb");
  if (takesColour) return show("idle", "Nothing yet", "Use the camera, or choose a video that is replayed as if it were one.");
  show("unable", "This model looks at depth", "A browser has none. Send a depth camera's with: python -m clients live");
}

/** @param {() => Promise<void>} open */
async function start(open) {
  stop();
  try {
    await described;
    if (windowInput.required && !windowInput.value) return askForWindow();
    chart.clear();
    parts.events.replaceChildren();
    parts.warnings.replaceChildren();
    show("connecting", "Connecting…", "The first answer comes when a window has been seen.");
    await open();
    stream = await connect();
    stream.listen(hear);
    stream.ended.then(() => over(), fail);
    await picture.play();
    show("running", "Looking…", `The first answer comes after ${stream.ready?.window_s.toFixed(1)} s.`);
    send(stream);
  } catch (problem) {
    fail(problem);
  }
}

function askForWindow() {
  windowInput.focus();
  show("idle", "How long is a motion?", "This model does not say how long its training clips were: give seconds.");
}

function connect() {
  const { name, version } = /** @type {Model} */ (asked);
  return openStream({ streams: { rgb: { size: picture.size } }, model: name, version, ...windowAsked() });
}

function windowAsked() {
  return windowInput.value ? { window_s: Number(windowInput.value) } : {};
}

/**
 * Send what is shown until the stream is another one, or over.
 *
 * @param {LiveStream} to
 */
async function send(to) {
  const intervalS = Math.max(1 / MOST_FPS, (to.ready?.interval_s ?? 1) / OVERSAMPLED);
  while (stream === to) {
    const begun = performance.now();
    if (!to.isBehind && !picture.video.ended) {
      const timeS = picture.timeS;
      const pixels = await picture.take();
      if (stream === to) to.send({ stream: "rgb", timeS, encoding: "jpeg", pixels });
    }
    await new Promise((resolve) => setTimeout(resolve, begun + intervalS * 1000 - performance.now()));
  }
}

/** Say that no more frames come, and let go of the camera. */
function stop() {
  stream?.end();
  stream = null;
  picture.close();
  box.hidden = true;
}

function over() {
  if (page.dataset.state === "running") show("ended", "Over", "What happened stands below.");
}

/** @param {Error} error */
function fail(error) {
  stop();
  const problem = /** @type {Problem} */ (error instanceof ServiceProblem ? inWords(error) : error);
  show("problem", "", "");
  showProblem(parts.problem, problem);
}

/** @param {LiveSaid} said */
function hear(said) {
  if (said.type === "view") showView(said);
  else if (said.type === "answer") showAnswer(said);
  else if (said.type === "event") showEvent(said);
  else if (said.type === "draining") parts.warnings.append(create("li", "The service is being stopped."));
}

/** @param {LiveView} view */
function showView({ is_waiting: isWaiting, box_px: cut, person, num_people: numPeople, warnings }) {
  const [width, height] = picture.size;
  box.hidden = !cut;
  if (cut) {
    const [x0, y0, x1, y1] = cut;
    const shares = [x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height];
    ["left", "top", "width", "height"].forEach((side, place) => box.style.setProperty(side, `${100 * shares[place]}%`));
  }
  const whom = person === null ? "all of the picture" : `person ${person} of ${numPeople}`;
  parts.looked.textContent = isWaiting ? "nobody" : whom;
  if (isWaiting) say("Nobody is in view", "Whoever steps before the camera is looked at.");
  parts.warnings.replaceChildren(...warnings.map((text) => create("li", text)));
}

/** @param {LiveAnswer} answer */
function showAnswer(answer) {
  chart.addAnswer(answer);
  const { lag_ms: lagMs, dropped, known } = answer;
  parts.lag.textContent = `${Math.round(lagMs)} ms`;
  parts.dropped.textContent = `${dropped.late}`;
  page.toggleAttribute("data-late", lagMs > LATE_MS || dropped.late > 0);
  page.toggleAttribute("data-unknown", known === false);
  if (page.dataset.event) return;
  if (known === false) say("Unknown", "No motion that the model has learnt.");
  else say("Nothing for certain", `Nearest: ${answer.predictions[0].label}`);
}

/** @param {LiveEvent} event */
function showEvent(event) {
  chart.addEvent(event);
  const { label, start_s: startS, end_s: endS, score, is_over: isOver } = event;
  page.dataset.event = isOver ? "" : label;
  if (!isOver) return say(label, "It has begun.");
  const row = create("li", "", "row");
  row.append(
    create("span", `${startS.toFixed(1)} to ${endS.toFixed(1)} s`, "when"),
    create("span", label, "label"),
    create("span", `${Math.round(100 * score)}%`, "share"),
  );
  parts.events.prepend(row);
  while (parts.events.children.length > MOST_EVENTS) parts.events.lastElementChild?.remove();
}

/**
 * @param {State} state
 * @param {string} verdict
 * @param {string} note
 */
function show(state, verdict, note) {
  page.dataset.state = state;
  page.dataset.event = "";
  for (const name of ["data-late", "data-unknown"]) page.removeAttribute(name);
  parts.problem.replaceChildren();
  say(verdict, note);
}

/**
 * @param {string} verdict
 * @param {string} note
 */
function say(verdict, note) {
  parts.verdict.textContent = verdict;
  parts.note.textContent = note;
}
