// Where the time went: one bar, divided in proportion, with its legend.

import { create } from "../elements/dom.js";

/** @import { Timing } from "../types.d.ts" */

/** @type {Record<string, string>} */
const STAGES = { decode: "Decode", preprocess: "Prepare", queue: "Wait", inference: "Network" };

/**
 * The elements that show `timing`, the `timing_ms` of an answer; none where it says nothing.
 *
 * @param {Timing} timing
 */
export function timingBar(timing) {
  if (!timing.total) return [];
  const known = Object.entries(STAGES).filter(([stage]) => stage in timing);
  /** @type {[stage: string, title: string, ms: number][]} */
  const spent = known.map(([stage, title]) => [stage, title, timing[stage]]);
  // What no stage accounts for: the way in, and the answer's way out.
  const other = timing.total - spent.reduce((sum, [, , ms]) => sum + ms, 0);
  spent.push(["other", "Rest", Math.max(0, other)]);
  const bar = create("div", "", "timing-bar");
  bar.setAttribute("aria-hidden", "true"); // the legend has the numbers
  bar.append(...spent.map(([stage, , ms]) => segment(stage, ms)));
  const legend = create("dl", "", "timing-legend");
  legend.append(entry("", "Total", timing.total), ...spent.map(([stage, title, ms]) => entry(stage, title, ms)));
  return [bar, legend];
}

/**
 * @param {string} stage
 * @param {number} ms
 */
function segment(stage, ms) {
  const element = create("i");
  element.dataset.stage = stage;
  element.style.setProperty("flex-grow", `${ms}`);
  return element;
}

/**
 * @param {string} stage
 * @param {string} title
 * @param {number} ms
 */
function entry(stage, title, ms) {
  const group = create("div");
  group.dataset.stage = stage;
  group.append(create("dt", title), create("dd", `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`));
  return group;
}
