// The page: brings files, previews and answers together.

import { AnswerView } from "./answer.js";
import { Player } from "./player.js";
import { Problem } from "./problem.js";
import { describeModel, predict, preview } from "./service.js";
import { Stage } from "./stage.js";

const POLL_MS = 3000;
const NAMES = { rgb: "colour", depth: "depth" };
const LEADS = {
  rgb: "Drop a colour recording of somebody moving.",
  depth: "Drop a depth recording of somebody moving.",
  rgbd: "Drop a colour recording of somebody moving, and the depth recorded with it.",
};

const find = (id) => document.getElementById(id);
const answerView = new AnswerView(find("answer"));
const player = new Player({ play: find("play"), seek: find("seek"), clock: find("clock") });
const stages = {};
for (const element of document.querySelectorAll(".stage")) {
  const stream = element.dataset.stream;
  stages[stream] = new Stage(element, (dropped, hasFolder) => takeFiles(stream, dropped, hasFolder));
}

let needed = ["rgb", "depth"]; // the streams that the model takes
const files = {}; // stream -> the File chosen for it
const onShow = new Set(); // the streams whose file the service could read
let depthScale = 1; // millimetres of one unit
let nextMeeting; // the timer that asks for the model again after the service was lost
const requests = {}; // "rgb", "depth" or "predict" -> the AbortController of the request that is under way

/* ---- the model ---- */

async function meetModel() {
  try {
    const model = await describeModel();
    const runtime = `${model.runtime} ${model.device} ${model.precision}`;
    setStatus("ready", `${model.name} ${model.version}`, runtime);
    setInputs(model.modality, model.clip_spec.depth.mode === "image");
  } catch (problem) {
    reportDown(problem);
  }
}

function setStatus(state, text, detail = "") {
  find("model").dataset.state = state;
  find("model-name").textContent = text;
  find("model-detail").textContent = detail;
}

function setInputs(modality, takesDepthImages) {
  needed = modality === "rgbd" ? ["rgb", "depth"] : [modality];
  for (const stream of Object.keys(stages)) stages[stream].show(needed.includes(stream));
  find("stages").dataset.modality = modality;
  find("lead").textContent = LEADS[modality];
  find("options").hidden = !needed.includes("depth") || takesDepthImages; // images have no unit
  if (takesDepthImages) find("depth-hint").textContent = find("rgb-hint").textContent;
}

function reportDown(problem) {
  setStatus("down", problem.title, "Trying again…");
  clearTimeout(nextMeeting);
  nextMeeting = setTimeout(meetModel, POLL_MS);
}

/* ---- recordings ---- */

function takeFiles(stream, dropped, hasFolder) {
  if (hasFolder || dropped.length > needed.length) {
    release(stream);
    const remedy = "Drop one file for each recording; pack the frames of a folder into a zip first.";
    stages[stream].setProblem("", new Problem("These are not one file", remedy));
    return;
  }
  const assigned = { [stream]: dropped[0] };
  if (dropped.length === 2) {
    // Two at once: their names say which is which, else the first is for where it was dropped.
    const depth = dropped.findIndex((file) => /depth/i.test(file.name));
    const first = depth === -1 ? (stream === "depth" ? 1 : 0) : 1 - depth;
    [assigned.rgb, assigned.depth] = [dropped[first], dropped[1 - first]];
  }
  for (const [name, file] of Object.entries(assigned)) load(name, file);
}

function release(stream) {
  delete files[stream];
  onShow.delete(stream);
  player.unload(stream);
  requests[stream]?.abort();
  requests.predict?.abort();
  askForMore();
}

async function load(stream, file) {
  release(stream);
  files[stream] = file;
  stages[stream].setLoading(file.name);
  try {
    const { [stream]: pictures } = await preview(stream, file, depthScale, newSignal(stream));
    await player.load(stream, pictures, stages[stream].canvas);
    stages[stream].setReady(file.name, pictures);
    onShow.add(stream);
    if (isComplete()) recognise();
    else askForMore();
  } catch (problem) {
    if (problem.name === "AbortError") return;
    stages[stream].setProblem(file.name, problem, () => load(stream, file));
    if (problem.isDown) reportDown(problem);
  }
}

function isComplete() {
  return needed.every((stream) => onShow.has(stream));
}

function askForMore() {
  find("recognise").disabled = !isComplete();
  const missing = needed.filter((stream) => !onShow.has(stream));
  const isOneLeft = missing.length === 1 && needed.length === 2;
  answerView.setEmpty(isOneLeft ? `Now the ${NAMES[missing[0]]} recording.` : "Drop a recording to begin.");
}

function readDepthScale(field) {
  const isPositive = field.valueAsNumber > 0;
  field.setCustomValidity(isPositive ? "" : "A number above 0 is needed.");
  if (isPositive) depthScale = field.valueAsNumber;
}

function newSignal(name) {
  requests[name]?.abort();
  requests[name] = new AbortController();
  return requests[name].signal;
}

/* ---- the answer ---- */

async function recognise() {
  find("recognise").disabled = false;
  answerView.setLoading();
  const sent = Object.fromEntries(needed.map((stream) => [stream, files[stream]]));
  try {
    answerView.setAnswer(await predict(sent, depthScale, newSignal("predict")));
  } catch (problem) {
    if (problem.name === "AbortError") return;
    answerView.setProblem(problem, recognise);
    if (problem.isDown) reportDown(problem);
  }
}

find("recognise").addEventListener("click", recognise);
find("depth-scale").addEventListener("input", (event) => readDepthScale(event.target));
find("depth-scale").addEventListener("change", (event) => {
  if (event.target.reportValidity() && files.depth) load("depth", files.depth);
});
// A file that misses the stages must not replace the page.
for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
meetModel();
