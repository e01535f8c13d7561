// The page: brings the model, recordings and answers together.

import { AnswerView } from "./answer/answer.js";
import { paintHeat } from "./answer/heat.js";
import { Why } from "./answer/why.js";
import { find } from "./elements/dom.js";
import { Masthead } from "./elements/masthead.js";
import { Camera } from "./recording/camera.js";
import { Player } from "./recording/player.js";
import { Recordings } from "./recording/recordings.js";
import { Stage } from "./recording/stage.js";
import { Timeline } from "./recording/timeline.js";
import { Requests } from "./service/requests.js";
import { describeModel, explain, fetchExample, listModels, predict } from "./service/service.js";

/** @import { Problem } from "./elements/problem.js" */
/** @import { Answer, Explanation, Model, StreamName } from "./types.d.ts" */

const POLL_MS = 3000;
const NAMES = { rgb: "colour", depth: "depth" };
const LEADS = {
  rgb: "Drop a colour recording of somebody moving.",
  depth: "Drop a depth recording of somebody moving.",
  rgbd: "Drop a colour recording of somebody moving, and the depth recorded with it.",
};
const MEASURED_HINT = "or choose a file, such as a zip of 16-bit PNGs";

/** @type {Record<"recognise" | "example", HTMLButtonElement>} */
const buttons = { recognise: find("recognise"), example: find("example") };
/** @type {HTMLInputElement} */
const depthScale = find("depth-scale");
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
const recordings = new Recordings(stages, player, { changed: showProgress, lost: reportTrouble });
/** @type {Answer | null} */
let answer = null; // to what is on the stages
const why = new Why(find("why"), find("reasons"), {
  ask: (signal) => explain(recordings.clip, /** @type {Answer} */ (answer).predictions[0].index, signal),
  show: showReasons,
  durationS: () => player.durationS,
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
    recordings.use(model);
    setInputs(model.modality, details.clip_spec.depth?.mode === "image");
  } catch (problem) {
    reportTrouble(problem);
  }
}

/**
 * @param {Model["modality"]} modality
 * @param {boolean} takesDepthImages
 */
function setInputs(modality, takesDepthImages) {
  find("stages").dataset.modality = modality;
  find("lead").textContent = LEADS[modality];
  const needsDepth = recordings.needed.includes("depth");
  find("options").hidden = !needsDepth || takesDepthImages; // images have no unit
  buttons.example.hidden = needsDepth && takesDepthImages; // its depth is measured
  find("depth-hint").textContent = takesDepthImages ? find("rgb-hint").textContent : MEASURED_HINT;
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
  timeline.mark(recordings.previews);
  const { missing, needed } = recordings;
  buttons.recognise.disabled = missing.length === needed.length; // some models answer from one stream of two
  if (missing.length === 0) recognise();
  else if (missing.length < needed.length) answerView.setEmpty(`Now the ${NAMES[missing[0]]} recording.`);
  else answerView.setEmpty("Drop a recording to begin.");
}

async function takeExample() {
  buttons.example.disabled = true;
  try {
    const files = await Promise.all(recordings.needed.map(fetchExample));
    camera.close();
    recordings.needed.forEach((stream, index) => recordings.load(stream, files[index]));
  } catch (problem) {
    reportTrouble(problem);
  } finally {
    buttons.example.disabled = false;
  }
}

function readDepthScale() {
  const isPositive = depthScale.valueAsNumber > 0;
  depthScale.setCustomValidity(isPositive ? "" : "A number above 0 is needed.");
  if (isPositive) recordings.depthScale = depthScale.valueAsNumber;
}

/* ---- the answer ---- */

async function recognise() {
  why.withdraw();
  answerView.setLoading();
  try {
    answer = await predict(recordings.clip, requests.begin("predict"));
    answerView.setAnswer(answer);
    why.offer();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    answerView.setProblem(problem, recognise);
    if (problem.isDown) reportTrouble(problem);
  }
}

/** @param {Explanation | null} explanation */
function showReasons(explanation) {
  timeline.showMoments(explanation?.moments);
  find("stages").toggleAttribute("data-explained", explanation !== null);
  for (const stage of Object.values(stages)) {
    const { canvas, heat } = stage.parts;
    [heat.width, heat.height] = [canvas.width, canvas.height]; // which also clears it
    if (explanation) paintHeat(heat, explanation.regions, explanation.box);
  }
}

buttons.recognise.addEventListener("click", recognise);
buttons.example.addEventListener("click", takeExample);
depthScale.addEventListener("input", readDepthScale);
depthScale.addEventListener("change", () => {
  if (depthScale.reportValidity()) recordings.readDepthAgain();
});
// A file that misses the stages must not replace the page.
for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
meetModels();
