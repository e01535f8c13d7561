// Shows the answer: the motion, its rivals as bars, what each stream's head says, and where the time went.

import { create, showProblem } from "./problem.js";

const NUM_ROWS = 5;
const STREAM_NAMES = { rgb: "Colour stream", depth: "Depth stream" };
const TIMING_NAMES = { decode: "Decode", preprocess: "Prepare", queue: "Wait", inference: "Network", total: "Total" };

export class AnswerView {
  constructor(element) {
    this.element = element;
    this.parts = Object.fromEntries(
      [...element.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]),
    );
    this.setEmpty("Drop a recording to begin.");
  }

  setEmpty(hint) {
    this.#setState("empty", "No answer yet", hint);
  }

  setLoading() {
    this.#setState("loading", "Looking…", "The recording is on its way through the network.");
  }

  setProblem(problem, retry) {
    this.#setState("problem", "", "");
    // Where the same files would fail again, the remedy is in the words, and "Replace" is beside each recording.
    showProblem(this.parts.problem, problem, problem.isPassing ? { label: "Try again", run: retry } : null);
  }

  setAnswer(answer) {
    const [best] = answer.predictions;
    const { clip, streams, warnings, timing_ms: timing } = answer;
    this.#setState("answer", best.label, `${percent(best.score)}${describe(clip)}`);
    this.parts.ranking.replaceChildren(...answer.predictions.map((score) => row(score, score.label)));
    const heads = Object.keys(STREAM_NAMES).filter((name) => streams[name]?.length);
    this.parts.streams.replaceChildren(...heads.map((name) => streamCard(name, streams[name][0], best)));
    this.parts.warnings.replaceChildren(...warnings.map((text) => create("li", text)));
    const times = Object.entries(TIMING_NAMES).filter(([name]) => name in timing);
    this.parts.timings.replaceChildren(...times.map(([name, title]) => time(title, timing[name])));
  }

  #setState(state, verdict, note) {
    this.element.dataset.state = state;
    this.parts.verdict.textContent = verdict;
    this.parts.note.textContent = note;
    for (const name of ["problem", "streams", "warnings", "timings"]) this.parts[name].replaceChildren();
    // Empty rows keep the place of the bars, so that nothing jumps when the answer comes.
    const blanks = Array.from({ length: NUM_ROWS }, () => create("li", "", "row blank"));
    this.parts.ranking.replaceChildren(...(state === "problem" ? [] : blanks));
  }
}

function describe(clip) {
  const frames = clip.rgb_frames ?? clip.depth_frames;
  const seconds = clip.duration_s ? `, ${clip.duration_s.toFixed(1)} s` : "";
  return frames ? `, from ${frames} frames${seconds}` : "";
}

function row(score, title, tag = "li") {
  const element = create(tag, "", "row");
  const label = create("span", title, "label");
  label.title = title; // a long one is cut off
  const bar = create("span", "", "bar");
  bar.style.setProperty("--share", score.score);
  element.append(label, create("span", percent(score.score), "share"), bar);
  return element;
}

function streamCard(name, score, best) {
  const card = create("div", "", "stream-card");
  card.dataset.stream = name;
  const agrees = score.index === best.index ? "agrees" : "differs";
  const heading = create("h3", STREAM_NAMES[name]);
  heading.append(create("span", agrees, "agreement"));
  card.append(heading, row(score, score.label, "p"));
  return card;
}

function time(title, ms) {
  const group = create("div");
  group.append(create("dt", title), create("dd", `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`));
  return group;
}

function percent(share) {
  if (share < 0.0005) return "<0.1%";
  return share < 0.9995 ? `${(share * 100).toFixed(1)}%` : ">99.9%";
}
