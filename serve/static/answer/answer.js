// Shows the answer: the motion, its rivals as bars, what each stream's head says, and where the time went.

import { create, partsOf } from "../elements/dom.js";
import { showProblem } from "../elements/problem.js";
import { timingBar } from "./timing.js";

/** @import { Problem } from "../elements/problem.js" */
/** @typedef {"verdict" | "note" | "problem" | "ranking" | "windows" | "streams" | "warnings" | "timings"} PartName */
/** @import { Answer, Clip, Named, Part, Score, StreamName } from "../types.d.ts" */

const NUM_ROWS = 5;
const UNKNOWN = "Unknown";
const BACKGROUND = "background"; // the class of recordings in which nothing of interest happens
const STREAM_NAMES = { rgb: "Colour stream", depth: "Depth stream" };
const STREAMS = /** @type {StreamName[]} */ (Object.keys(STREAM_NAMES));

/**
 * What is said of a person, or of all there is, null.
 *
 * @param {Answer} answer
 * @param {number | null} person
 * @returns {Named}
 */
export function namedIn(answer, person) {
  return answer.people?.find((one) => one.person === person) ?? answer;
}

export class AnswerView {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {Record<PartName, HTMLElement>} */
    this.parts = partsOf(element);
    this.setEmpty("");
  }

  /** @param {string} hint */
  setEmpty(hint) {
    this.#setState("empty", "No answer yet", hint);
  }

  setLoading() {
    this.#setState("loading", "Looking…", "The recording is on its way through the network.");
  }

  /** @param {string} hint */
  setWaiting(hint) {
    this.#setState("loading", "Not yet", hint);
  }

  /**
   * @param {Problem} problem
   * @param {() => void} retry
   */
  setProblem(problem, retry) {
    this.#setState("problem", "", "");
    // Where the same files would fail again, the remedy is in the words, and "Replace" is beside each recording.
    showProblem(this.parts.problem, problem, problem.retry ? { label: problem.retry, run: retry } : null);
  }

  /**
   * Show the answer about a person, or about all there is, null.
   *
   * @param {Answer} answer
   * @param {number | null} person
   */
  setAnswer(answer, person) {
    const isOfPerson = person !== null && answer.people?.length;
    const named = namedIn(answer, person);
    const [best] = named.predictions;
    const { clip, windows = [], warnings = [], timing_ms: timing = {} } = answer;
    const isFirst = !isOfPerson || person === answer.people?.[0].person;
    const streams = isFirst ? (answer.streams ?? {}) : {}; // they are about the first
    const whom = isOfPerson ? `, person ${person}` : "";
    const isUnknown = named.known === false;
    const surety = isUnknown ? `${strangeness(named)}; the nearest are below` : percent(best.score);
    this.#setState("answer", isUnknown ? UNKNOWN : best.label, `${surety}${whom}${describe(clip)}`);
    this.element.toggleAttribute("data-unknown", isUnknown);
    this.parts.windows.replaceChildren(...(isFirst ? windows : []).map((part) => windowRow(part, clip)));
    this.parts.ranking.replaceChildren(...named.predictions.map((score) => row(score)));
    const cards = STREAMS.flatMap((name) => {
      const heads = (streams[name] ?? []).slice(0, 1);
      return heads.map((head) => streamCard(name, head, best));
    });
    this.parts.streams.replaceChildren(...cards);
    this.parts.warnings.replaceChildren(...warnings.map((text) => create("li", text)));
    this.parts.timings.replaceChildren(...timingBar(timing));
  }

  /**
   * @param {"empty" | "loading" | "problem" | "answer"} state
   * @param {string} verdict
   * @param {string} note
   */
  #setState(state, verdict, note) {
    this.element.dataset.state = state;
    this.element.removeAttribute("data-unknown");
    const { problem, windows, streams, warnings, timings } = this.parts;
    this.parts.verdict.textContent = verdict;
    this.parts.note.textContent = note;
    for (const part of [problem, windows, streams, warnings, timings]) part.replaceChildren();
    // Empty rows keep the place of the bars, so that nothing jumps when the answer comes.
    const blanks = Array.from({ length: NUM_ROWS }, () => create("li", "", "row blank"));
    this.parts.ranking.replaceChildren(...(state === "problem" ? [] : blanks));
  }
}

/** @param {Named} named */
function strangeness({ predictions: [best], confidence }) {
  if (best.label === BACKGROUND) return "Nothing that the model has learnt happens";
  const share = 1 - (confidence ?? 0);
  return `Less familiar than ${share > 0.9995 ? "all" : `${percent(share)} of`} motions that the model has learnt`;
}

/** @param {Clip} clip */
function describe(clip) {
  const frames = clip.rgb_frames ?? clip.depth_frames;
  const seconds = clip.duration_s ? `, ${clip.duration_s.toFixed(1)} s` : "";
  return frames ? `, from ${frames} ${frames === 1 ? "frame" : "frames"}${seconds}` : "";
}

/**
 * @param {Part} part
 * @param {Clip} clip
 */
function windowRow({ start, end, known, predictions: [best] }, clip) {
  const inSeconds = `${start.toFixed(1)} to ${end.toFixed(1)} s`;
  const when = clip.duration_s == null ? `frames ${Math.round(start) + 1} to ${Math.round(end)}` : inSeconds;
  const element = row(known === false ? { ...best, label: `${UNKNOWN}, nearest ${best.label}` } : best, "p");
  element.toggleAttribute("data-unknown", known === false);
  element.prepend(create("span", when, "when"));
  return element;
}

/**
 * @param {Score} score
 * @param {"li" | "p"} tag
 */
function row(score, tag = "li") {
  const element = create(tag, "", "row");
  const bar = create("span", "", "bar");
  bar.style.setProperty("--share", `${score.score}`);
  element.append(create("span", score.label, "label"), create("span", percent(score.score), "share"), bar);
  return element;
}

/**
 * @param {StreamName} name
 * @param {Score} score
 * @param {Score} best
 */
function streamCard(name, score, best) {
  const card = create("div", "", "stream-card");
  card.dataset.stream = name;
  const agrees = score.index === best.index ? "agrees" : "differs";
  const heading = create("h3", STREAM_NAMES[name]);
  heading.append(create("span", agrees, "agreement"));
  card.append(heading, row(score, "p"));
  return card;
}

/** @param {number} share */
function percent(share) {
  if (share < 0.0005) return "<0.1%";
  return share < 0.9995 ? `${(share * 100).toFixed(1)}%` : ">99.9%";
}
