// Why the answer is what it is: asks once for each answer, shows it on the pictures, and says it in words.

import { partsOf } from "../elements/dom.js";
import { showProblem } from "../elements/problem.js";

/** @import { Problem } from "../elements/problem.js" */
/** @import { Explanation } from "../types.d.ts" */
/** @typedef {"problem" | "words" | "scale" | "cancel"} PartName */
/** @typedef {"hidden" | "loading" | "problem" | "shown"} State */
/** @typedef {{ durationS: number | null, numFrames: number }} Length */
/**
 * @typedef {object} Callbacks
 * @property {(signal: AbortSignal) => Promise<Explanation>} ask
 * @property {(explanation: Explanation | null) => void} show
 * @property {() => Length} length
 * @property {(problem: Problem) => void} lost
 */

const WAITING = "Hiding one part after another, and asking again each time…";

export class Why {
  /** @type {Explanation | null} */
  #explanation = null; // of the present answer, once it was asked for
  /** @type {AbortController | null} */
  #request = null; // while it is under way

  /**
   * `ask(signal)` returns what POST /explain answers, `show(explanation)` marks it on the pictures and the time line
   * (null: takes the marks away), `length()` is how long the recording lasts, `lost(problem)` is called when the
   * service is gone, or the model.
   *
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} element
   * @param {Callbacks} callbacks
   */
  constructor(button, element, { ask, show, length, lost }) {
    this.button = button;
    this.element = element;
    this.ask = ask;
    this.show = show;
    this.length = length;
    this.lost = lost;
    /** @type {Record<PartName, HTMLElement>} */
    this.parts = partsOf(element);
    button.addEventListener("click", () => (this.state === "hidden" ? this.#open() : this.#close()));
    this.parts.cancel.addEventListener("click", () => this.#close());
    this.withdraw();
  }

  get state() {
    return this.element.dataset.state;
  }

  /** There is an answer to explain. */
  offer() {
    this.button.disabled = false;
  }

  /** There is none any more. */
  withdraw() {
    this.#close();
    this.#explanation = null;
    this.button.disabled = true;
  }

  async #open() {
    if (this.#explanation) return this.#reveal(this.#explanation);
    this.#setState("loading");
    this.#request = new AbortController();
    try {
      this.#explanation = await this.ask(this.#request.signal);
      this.#reveal(this.#explanation);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.#setState("problem");
      const again = { label: problem.retry, run: () => this.#open() };
      showProblem(this.parts.problem, problem, problem.retry ? again : null);
      if (problem.isDown) this.lost(problem);
    }
  }

  /** @param {Explanation} explanation */
  #reveal(explanation) {
    this.#setState("shown");
    this.parts.words.textContent = describe(explanation, this.length());
    this.parts.scale.hidden = strongest(explanation.regions.flat()) < 0;
    this.show(explanation);
  }

  #close() {
    if (this.element.contains(document.activeElement)) this.button.focus(); // what had the focus goes away
    this.#request?.abort();
    this.#setState("hidden");
    this.show(null);
  }

  /** @param {State} state */
  #setState(state) {
    this.element.dataset.state = state;
    this.button.setAttribute("aria-pressed", `${state !== "hidden"}`);
    this.parts.problem.replaceChildren();
    this.parts.words.textContent = state === "loading" ? WAITING : "";
  }
}

/**
 * The index of the largest value, or -1 where none is above 0.
 *
 * @param {number[]} losses
 */
function strongest(losses) {
  const most = Math.max(...losses);
  return most > 0 ? losses.indexOf(most) : -1;
}

/**
 * @param {Explanation} explanation
 * @param {Length} length
 */
function describe({ label, regions, moments }, length) {
  const numColumns = regions[0].length;
  const cell = strongest(regions.flat());
  const moment = strongest(moments);
  if (cell < 0 && moment < 0) {
    return `Nothing stands out: “${label}” loses none of its lead, whichever part or moment is hidden.`;
  }
  const place = placeName(Math.floor(cell / numColumns) / regions.length, (cell % numColumns) / numColumns);
  const where =
    cell < 0
      ? "no single part of the picture decides."
      : `where it is bright, hiding that part costs the answer most, above all ${place}.`;
  const most = time((moment + 0.5) / moments.length, length);
  const when =
    moment < 0
      ? "No single moment decides."
      : `The strip above the time line says the same of moments: most around ${most}.`;
  return `What mattered for “${label}”: ${where} ${when}`;
}

/**
 * @param {number} share
 * @param {Length} length
 */
function time(share, { durationS, numFrames }) {
  return durationS === null ? `frame ${Math.floor(share * numFrames) + 1}` : `${(share * durationS).toFixed(1)} s`;
}

/**
 * Words for a cell whose upper left corner lies at these shares of the height and the width.
 *
 * @param {number} y
 * @param {number} x
 */
function placeName(y, x) {
  const height = ["upper ", "", "lower "][Math.floor(y * 3)];
  const side = ["left", "", "right"][Math.floor(x * 3)];
  if (!height && !side) return "in the middle";
  return side ? `at the ${height}${side}` : `in the ${height}middle`;
}
