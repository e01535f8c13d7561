// The scores of the last seconds as lines that scroll, and below them when each motion was.

import { contextOf } from "../elements/dom.js";

/** @import { LiveAnswer, LiveEvent } from "../types.d.ts" */

const SPAN_S = 20;
const LANE_PX = 26; // below the lines, for events
const MOST_LINES = 5;

export class Chart {
  /** @type {LiveAnswer[]} */
  answers = [];
  /** @type {LiveEvent[]} */
  events = [];

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  clear() {
    this.answers = [];
    this.events = [];
    this.draw();
  }

  /** @param {LiveAnswer} answer */
  addAnswer(answer) {
    this.answers = [...this.answers, answer].filter(({ end_s }) => end_s > answer.end_s - SPAN_S);
    const running = this.events.at(-1);
    if (running && !running.is_over) running.end_s = answer.end_s;
    this.draw();
  }

  /** @param {LiveEvent} event */
  addEvent(event) {
    if (event.is_over) this.events.pop();
    this.events = [...this.events, event].filter(({ end_s }) => end_s > event.end_s - SPAN_S);
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const scale = window.devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    Object.assign(canvas, { width: width * scale, height: height * scale });
    const context = contextOf(canvas);
    context.scale(scale, scale);
    const color = (/** @type {string} */ name) => colorOf(canvas, name);
    const now = this.answers.at(-1)?.end_s ?? 0;
    const x = (/** @type {number} */ time) => width * (1 - (now - time) / SPAN_S);
    const y = (/** @type {number} */ score) => 6 + (height - LANE_PX - 12) * (1 - score);
    context.font = `12px ${getComputedStyle(canvas).fontFamily}`;
    this.#drawGrid(context, width, y, color);
    const best = this.answers.at(-1)?.predictions ?? [];
    [...best].slice(0, MOST_LINES).reverse().forEach(({ index }, place, all) => {
      const isFirst = place === all.length - 1;
      context.strokeStyle = color(isFirst ? "--rgb" : "--line-strong");
      context.lineWidth = isFirst ? 2.5 : 1;
      this.#drawLine(context, index, x, y);
    });
    this.#drawEvents(context, x, [width, height], color);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} width
   * @param {(score: number) => number} y
   * @param {(name: string) => string} color
   */
  #drawGrid(context, width, y, color) {
    context.lineWidth = 1;
    for (const score of [0, 0.5, 1]) {
      context.strokeStyle = color("--line");
      context.beginPath();
      context.moveTo(0, y(score));
      context.lineTo(width, y(score));
      context.stroke();
    }
    context.fillStyle = color("--muted");
    context.fillText("100%", 2, y(1) + 13);
    context.fillText("50%", 2, y(0.5) - 3);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} index
   * @param {(time: number) => number} x
   * @param {(score: number) => number} y
   */
  #drawLine(context, index, x, y) {
    context.beginPath();
    for (const { start_s, end_s, predictions } of this.answers) {
      const score = predictions.find((one) => one.index === index)?.score ?? 0;
      context.lineTo(x((start_s + end_s) / 2), y(score)); // a window is about its middle
    }
    context.stroke();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {(time: number) => number} x
   * @param {[width: number, height: number]} size
   * @param {(name: string) => string} color
   */
  #drawEvents(context, x, [width, height], color) {
    for (const { label, start_s, end_s, is_over } of this.events) {
      const [left, right] = [Math.max(0, x(start_s)), Math.max(x(end_s), x(start_s) + 4)];
      context.fillStyle = color(is_over ? "--depth" : "--rgb");
      context.fillRect(left, height - LANE_PX + 2, right - left, 5);
      context.fillStyle = color("--text");
      context.fillText(label, Math.max(0, Math.min(left, width - context.measureText(label).width)), height - 5);
    }
  }
}

/**
 * The colour that a property of the page stands for, in the light or in the dark.
 *
 * @param {HTMLElement} element
 * @param {string} name
 */
function colorOf(element, name) {
  element.style.color = `var(${name})`;
  return getComputedStyle(element).color;
}
