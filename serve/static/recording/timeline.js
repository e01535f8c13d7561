// Marks on the time line: the frames that the network looks at, and how much each moment mattered.

import { createSvg, partsOf } from "../elements/dom.js";

/** @import { Previews, StreamName, StreamPreview } from "../types.d.ts" */

const NAMES = { rgb: "colour", depth: "depth" };
const STREAMS = /** @type {StreamName[]} */ (Object.keys(NAMES));

export class Timeline {
  /** @param {HTMLElement} element */
  constructor(element) {
    /** @type {Record<"ticks" | "sampled" | "moments", HTMLElement>} */
    this.parts = partsOf(element);
  }

  /**
   * `previews`: stream -> its part of the answer of POST /preview. Streams with the same samples share one row of marks.
   *
   * @param {Previews} previews
   */
  mark(previews) {
    /** @type {[StreamName, StreamPreview][]} */
    const streams = STREAMS.flatMap((stream) => (previews[stream] ? [[stream, previews[stream]]] : []));
    const isOne = new Set(streams.map(([, { num_frames, sampled }]) => `${num_frames}: ${sampled}`)).size < 2;
    const rows = isOne ? streams.slice(0, 1) : streams;
    this.parts.ticks.replaceChildren(...rows.map(([stream, read]) => ticks(isOne ? "both" : stream, read)));
    const counts = rows.map(([stream, read]) => describe(read, isOne ? "" : `${NAMES[stream]} `));
    this.parts.sampled.textContent = counts.length ? `The network looks at ${counts.join(" and ")}` : "";
  }

  /**
   * `moments`: what the answer loses without each of these equal parts of the time; none hides the strip.
   *
   * @param {number[]} moments
   */
  showMoments(moments = []) {
    const most = Math.max(0, ...moments);
    const strip = createSvg("svg", { viewBox: `0 0 ${moments.length} 1`, preserveAspectRatio: "none" });
    const heights = moments.map((loss) => (most > 0 ? Math.max(0, loss) / most : 0));
    strip.append(...heights.map((height, x) => createSvg("rect", { x, y: 1 - height, width: 1, height })));
    this.parts.moments.replaceChildren(...(most > 0 ? [strip] : []));
  }
}

/**
 * @param {StreamName | "both"} stream
 * @param {StreamPreview} preview
 */
function ticks(stream, { num_frames: numFrames, sampled }) {
  const last = Math.max(1, numFrames - 1);
  const svg = createSvg("svg", { viewBox: `0 0 ${last} 1`, preserveAspectRatio: "none", "data-stream": stream });
  const marks = [...new Set(sampled)].map((index) => `M${index} 0V1`).join("");
  svg.append(createSvg("path", { d: marks, "vector-effect": "non-scaling-stroke" }));
  return svg;
}

/**
 * @param {StreamPreview} preview
 * @param {string} name
 */
function describe({ num_frames: numFrames, sampled }, name) {
  return `${new Set(sampled).size} of ${numFrames} ${name}${numFrames === 1 ? "frame" : "frames"}`;
}
