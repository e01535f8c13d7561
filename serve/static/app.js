// The page: brings the model, recordings and answers together.

import { AnswerView, namedIn } from "./answer/answer.js";
import { paintHeat } from "./answer/heat.js";
import { Why } from "./answer/why.js";
import { find } from "./elements/dom.js";
import { Masthead } from "./elements/masthead.js";
import { Camera } from "./recording/camera.js";
import { Options } from "./recording/options.js";
import { People } from "./recording/people.js";
import { Player } from "./recording/player.js";
import { Recordings } from "./recording/recordings.js";
import { Stage } from "./recording/stage.js";
import { Timeline } from "./recording/timeline.js";
import { Requests } from "./service/requests.js";
import { describeModel, explain, fetchExample, listModels, predict } from "./service/service.js";

/** @import { Problem } from "./elements/problem.js" */
/** @import { Answer, Explanation, Model, ModelDetails, StreamName } from "./types.d.ts" */

const POLL_MS = 3000;
const FAR_MM = 10_000; // beyond it hardly any camera measures people
const BY_TOUCH = matchMedia("(pointer: coarse)").matches; // there nothing can be dropped
const NAMES = { rgb: "colour", depth: "depth" };
const VERB = BY_TOUCH ? "Choose" : "Drop";
const LEADS = {
  rgb: `${VERB} a colour recording of somebody moving.`,
  depth: `${VERB} a depth recording of somebody moving.`,
  rgbd: `${VERB} a colour recording of somebody moving, and the depth recorded with it.`,
};
const HELP = " Depth helps to find the people.";
const HELPS = "if there is any: people are found by it, and the answer rests on colour alone";
const ANY_FILE = "a video, a zip of images, or as a camera wrote it";
const MEASURED_FILE = "such as a zip of 16-bit PNGs";

/** @type {Record<"recognise" | "example", HTMLButtonElement>} */
const buttons = { recognise: find("recognise"), example: find("example") };
const requests = new Requests();
const answerView = new AnswerView(find("answer"));
const masthead = new Masthead(find("model"), (model) => ask(model));
const player = new Player({ play: find("play"), seek: find("seek"), clock: find("clock") });
const timeline = new Timeline(find("timeline"));
const stages = { rgb: stageOf("rgb"), depth: stageOf("depth") };
const camera = new Camera(stages.rgb, {
  clear: () => recordings.release("rgb"),
  take: (file) => recordings.take("rgb", [file]),
});
const recordings = new Recordings(stages, player, {
  told: () => options.meta,
  changed: showProgress,
  depthReplaced: () => options.setScale(1), // another recording may have another unit
  lost: reportTrouble,
});
const options = new Options(find("options-form"), (name) => {
  if (name === "windows") recogniseAgain();
  else recordings.readAgain();
});
const people = new People(find("people"), choose);
/** @type {Answer | null} */
let answer = null; // to what is on the stages
/** @type {number | null} */
let person = null; // whom it is about, null: all that is there
const why = new Why(find("why"), find("reasons"), {
  ask: (signal) => {
    const [best] = namedIn(/** @type {Answer} */ (answer), person).predictions;
    return explain(recordings.clip, { index: `${best.index}`, ...whom("person") }, signal);
  },
  show: showReasons,
  length: () => player,
  lost: reportTrouble,
});

/** @param {StreamName} stream */
function stageOf(stream) {
  const element = /** @type {HTMLElement} */ (document.querySelector(`.stage[data-stream=${stream}]`));
  return new Stage(element, (dropped, hasFolder) => {
    if (stream === "rgb") camera.close();
    recordings.take(stream, dropped, hasFolder);
  });
}

/* ---- the model ---- */

/** @type {Model[]} */
let models = [];
/** @type {number | undefined} */
let nextMeeting; // the timer that asks for the models again after the service was lost

async function meetModels() {
  try {
    models = await listModels();
    await ask(successorOf(recordings.model));
  } catch (problem) {
    reportTrouble(problem);
  }
}

/**
 * The model itself where it is still there, else the newest of its name, else the first one.
 *
 * @param {Model | null} model
 */
function successorOf(model) {
  const named = models.filter(({ name }) => name === model?.name);
  return named.find((one) => isSame(one, model)) ?? named[0] ?? models[0];
}

/** @type {(a: Model, b: Model | null) => boolean} */
const isSame = (a, b) => a.name === b?.name && a.version === b?.version;

/** @param {Model} model */
async function ask(model) {
  try {
    const details = await describeModel(model);
    masthead.showModels(models, model);
    if (isSame(model, recordings.model)) return; // the service is back, and what is on the stages still holds
    camera.close();
    setInputs(details);
    recordings.use(model, usefulTo(details));
  } catch (problem) {
    reportTrouble(problem);
  }
}

/** @type {StreamName[]} */
let alone = []; // the streams that are enough for an answer

/**
 * The streams that are of use to a model: one of colour that cuts people out finds them in depth, if there is any.
 *
 * @param {ModelDetails} model
 * @returns {StreamName[]}
 */
function usefulTo({ modality, preparation }) {
  if (modality === "depth") return ["depth"];
  const cutsOut = preparation && (preparation.roi !== "whole" || preparation.masks !== "none");
  return modality === "rgbd" || cutsOut ? ["rgb", "depth"] : ["rgb"];
}

/** @param {ModelDetails} model */
function setInputs(model) {
  const { modality, clip_spec: spec, preparation, alone: enough = [] } = model;
  const useful = usefulTo(model);
  const isHelp = modality === "rgb" && useful.includes("depth");
  find("lead").textContent = LEADS[modality] + (isHelp ? HELP : "");
  alone = enough;
  stages.rgb.parts.camera.hidden = !Camera.works || (modality === "rgbd" && !alone.includes("rgb"));
  const takesImages = useful.includes("depth") && spec.depth?.mode === "image";
  const measuresDepth = useful.includes("depth") && !takesImages; // images have no unit
  options.offer({ both: useful.length === 2, measuresDepth, prepares: Boolean(preparation) });
  buttons.example.hidden = takesImages; // its depth is measured
  for (const [stream, file] of [["rgb", ANY_FILE], ["depth", takesImages ? ANY_FILE : MEASURED_FILE]]) {
    find(`${stream}-verb`).textContent = VERB;
    find(`${stream}-hint`).textContent = BY_TOUCH ? file : `or choose a file${file === ANY_FILE ? ":" : ","} ${file}`;
  }
  if (isHelp) find("depth-hint").textContent = HELPS;
}

/** @param {Problem} problem */
function reportTrouble(problem) {
  clearTimeout(nextMeeting);
  masthead.showProblem(problem, problem.isDown ? null : meetModels);
  if (problem.isDown) nextMeeting = setTimeout(meetModels, POLL_MS);
}

/* ---- recordings ---- */

function showProgress() {
  requests.abort("predict");
  answer = null;
  why.withdraw();
  const { missing, needed, preparation, previews, isAligning, isReading } = recordings;
  timeline.mark(Object.fromEntries(needed.map((stream) => [stream, previews[stream]])));
  showPeople();
  suggestScale();
  const present = needed.filter((stream) => previews[stream]);
  const isEnough = missing.length === 0 || present.some((stream) => alone.includes(stream));
  buttons.recognise.disabled = !isEnough || isAligning || isReading;
  if (isAligning) answerView.setWaiting("Colour and depth are being brought together.");
  else if (isReading) answerView.setWaiting("The recording is being read.");
  else if (missing.length === 0) recognise();
  else if (previews.rgb || previews.depth) answerView.setEmpty(`Now the ${NAMES[missing[0]]} recording.`);
  else answerView.setEmpty(`${VERB} a recording to begin.`);
  if (preparation === null) person = null;
}

/** Say who was found; one of several can be chosen when all is there that an answer needs. */
function showPeople() {
  const { missing, preparation, previews, isAligning } = recordings;
  const views = (previews.rgb ?? previews.depth)?.views ?? [];
  const whole = preparation?.person === null;
  const persons = views.map((view) => view.person).filter((one) => one !== null || whole);
  people.show(preparation, missing.length > 0 || isAligning ? [] : persons);
  mark(preparation?.person ?? null);
}

/** @param {number | null} one */
function mark(one) {
  person = one;
  people.mark(one);
  for (const { overlay } of Object.values(stages)) overlay.choose(one);
}

/**
 * Show the answer about one of the people, or about all of them together.
 *
 * @param {number | null} one
 */
function choose(one) {
  mark(one);
  why.withdraw();
  if (answer && (answer.people?.length ? one !== null : isUsual())) showAnswer(answer);
  else recognise();
}

/** Whether the answer is to be about whom the model is meant for. */
const isUsual = () => person === (recordings.preparation?.person ?? null);

/**
 * How a request says whom it is about, where that is not the usual; `/explain` is about one `person`, `/predict` about
 * `each`.
 *
 * @param {"person" | "each"} single
 * @returns {Record<string, string>}
 */
function whom(single) {
  if (isUsual()) return {};
  if (person === null) return { people: "all" };
  return single === "each" ? { people: "each" } : { person: `${person}` };
}

function suggestScale() {
  const { far_mm: farMm = 0, likely_scale_mm: likelyMm = null } = recordings.previews.depth ?? {};
  const isFar = (farMm ?? 0) > FAR_MM && likelyMm !== null;
  find("scale-hint").hidden = !isFar;
  if (!isFar) return;
  find("scale-words").textContent = `Depth reaches ${((farMm ?? 0) / 1000).toFixed(0)} m, which is far for a room.`;
  find("use-scale").textContent = `Take one unit for ${likelyMm} mm`;
  find("use-scale").onclick = () => {
    options.setScale(likelyMm);
    recordings.readAgain();
  };
}

function recogniseAgain() {
  if (!buttons.recognise.disabled) recognise();
}

async function takeExample() {
  buttons.example.disabled = true;
  try {
    const files = await Promise.all(recordings.needed.map(fetchExample));
    camera.close();
    options.setScale(1);
    recordings.needed.forEach((stream, index) => recordings.load(stream, files[index]));
  } catch (problem) {
    reportTrouble(problem);
  } finally {
    buttons.example.disabled = false;
  }
}

/* ---- the answer ---- */

async function recognise() {
  why.withdraw();
  answerView.setLoading();
  try {
    /** @type {Record<string, string>} */
    const windows = options.windows > 1 ? { windows: `${options.windows}` } : {};
    answer = await predict(recordings.clip, { ...windows, ...whom("each") }, requests.begin("predict"));
    showAnswer(answer);
  } catch (problem) {
    if (problem.name === "AbortError") return;
    answerView.setProblem(problem, recognise);
    if (problem.isDown) reportTrouble(problem);
  }
}

/** @param {Answer} found */
function showAnswer(found) {
  answerView.setAnswer(found, person);
  why.offer();
}

/** @param {Explanation | null} explanation */
function showReasons(explanation) {
  timeline.showMoments(explanation?.moments);
  find("stages").toggleAttribute("data-explained", explanation !== null);
  for (const stage of Object.values(stages)) {
    const { canvas, heat } = stage.parts;
    const seen = stage.overlay.seen ?? explanation?.box;
    [heat.width, heat.height] = [canvas.width, canvas.height]; // which also clears it
    if (explanation && seen) paintHeat(heat, explanation.regions, seen);
  }
}

buttons.recognise.addEventListener("click", recognise);
buttons.example.addEventListener("click", takeExample);
// A file that misses the stages must not replace the page.
for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
meetModels();
