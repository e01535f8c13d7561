// Draws over a stream's pictures what answers look at: the part that the network sees, and the people's outlines.

import { createSvg } from "../elements/dom.js";

/** @import { Box, StreamPreview, View } from "../types.d.ts" */

export class Overlay {
  /** @type {View[]} */
  #views = [];
  /** @type {number | null} */
  #person = null;
  #frame = 0;
  #isMasked = false;
  #width = 1;
  #height = 1;

  /** @param {SVGElement} element */
  constructor(element) {
    this.element = element;
  }

  /**
   * Show the views of a stream, whose pictures are as large as `canvas`.
   *
   * @param {StreamPreview} preview
   * @param {HTMLCanvasElement} canvas
   */
  show({ views = [], near_mm: nearMm }, { width, height }) {
    this.#isMasked = nearMm != null; // of colour, all inside the box is seen
    [this.#views, this.#width, this.#height] = [views, width, height];
    this.element.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.draw(0);
  }

  clear() {
    this.#views = [];
    this.element.replaceChildren();
  }

  /**
   * Show what an answer about this person looks at; null: about all of them.
   *
   * @param {number | null} person
   */
  choose(person) {
    this.#person = person;
    this.draw(this.#frame);
  }

  /** What the network sees of the pictures, as shares; null where that is not known. */
  get seen() {
    return this.#chosen?.seen[0] ?? null;
  }

  get #chosen() {
    return this.#views.find(({ person }) => person === this.#person) ?? this.#views[0];
  }

  /**
   * Draw what belongs to one of the pictures.
   *
   * @param {number} frame
   */
  draw(frame) {
    this.#frame = frame;
    const chosen = this.#chosen;
    if (!chosen) return;
    const seen = this.#rectangle(chosen.seen[frame]);
    const outlines = (chosen.outlines?.[frame] ?? []).map((polygon) => this.#polygon(polygon)).join("");
    const people = this.#views.filter(({ person }) => person !== null);
    const numbered = people.length > 1 ? people : [];
    const others = numbered.filter((view) => view !== chosen);
    this.element.replaceChildren(
      createSvg("path", { class: "unseen", d: `M0 0H${this.#width}V${this.#height}H0Z${seen}` }),
      ...(this.#isMasked && outlines ? [createSvg("path", { class: "unseen", d: seen + outlines })] : []),
      ...others.map((view) => line("other", this.#rectangle(view.seen[frame]))),
      line("casing", outlines),
      line("outline", outlines),
      line("seen", seen),
      ...numbered.map((view) => this.#number(view, view.seen[frame])),
    );
  }

  /** @param {Box} box */
  #rectangle([x0, y0, x1, y1]) {
    const [left, right] = [x0, x1].map((x) => x * this.#width);
    const [top, bottom] = [y0, y1].map((y) => y * this.#height);
    return `M${left} ${top}H${right}V${bottom}H${left}Z`;
  }

  /** @param {[x: number, y: number][]} points */
  #polygon(points) {
    return `M${points.map(([x, y]) => `${x * this.#width} ${y * this.#height}`).join("L")}Z`;
  }

  /**
   * @param {View} view
   * @param {Box} box
   */
  #number(view, [x0, y0]) {
    const size = this.#height / 14;
    const [x, y] = [Math.max(0, x0 * this.#width) + size * 0.4, Math.max(0, y0 * this.#height) + size];
    const text = createSvg("text", { x, y, "font-size": size, class: view === this.#chosen ? "chosen" : "" });
    text.textContent = `${view.person}`;
    return text;
  }
}

/**
 * @param {string} name
 * @param {string} d
 */
const line = (name, d) => createSvg("path", { class: name, d, "vector-effect": "non-scaling-stroke" });
