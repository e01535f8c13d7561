// One stream's place on the page: takes a file by drop, click or keyboard, and shows it, or what is wrong with it.

import { partsOf } from "../elements/dom.js";
import { showProblem } from "../elements/problem.js";
import { Overlay } from "./overlay.js";

/** @import { Problem } from "../elements/problem.js" */
/** @import { StreamPreview } from "../types.d.ts" */
/** @typedef {"file" | "problem" | "legend" | "near" | "far"} PartName */
/** @typedef {"camera" | "record" | "stop" | "leave" | "left" | "said"} CameraPartName - on the colour stage alone */
/** @typedef {{ live: HTMLVideoElement, views: SVGElement }} OtherParts */
/** @typedef {Record<"canvas" | "heat", HTMLCanvasElement> & OtherParts} MediaParts */
/** @typedef {Record<PartName | CameraPartName, HTMLElement> & MediaParts} StageParts */
/** @typedef {(files: File[], hasFolder: boolean) => void} TakeFiles */

export class Stage {
  /**
   * `takeFiles(files, hasFolder)` is called with what a person drops or chooses here.
   *
   * @param {HTMLElement} element
   * @param {TakeFiles} takeFiles
   */
  constructor(element, takeFiles) {
    this.element = element;
    this.input = /** @type {HTMLInputElement} */ (element.querySelector("input[type=file]"));
    /** @type {StageParts} */
    this.parts = partsOf(element);
    this.canvas = this.parts.canvas;
    this.overlay = new Overlay(this.parts.views);
    this.input.addEventListener("change", () => {
      takeFiles([...(this.input.files ?? [])], false);
      this.input.value = ""; // so that choosing the same file again is a change too
    });
    this.#listenForDrops(takeFiles);
  }

  /** @param {TakeFiles} takeFiles */
  #listenForDrops(takeFiles) {
    let depth = 0; // dragenter and dragleave also come from the elements inside
    const mark = (/** @type {number} */ change) => {
      depth = Math.max(0, depth + change);
      this.element.toggleAttribute("data-over", depth > 0);
    };
    this.element.addEventListener("dragenter", () => mark(+1));
    this.element.addEventListener("dragleave", () => mark(-1));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      mark(-depth);
      const { files, items } = /** @type {DataTransfer} */ (event.dataTransfer);
      const hasFolder = [...items].some((item) => item.webkitGetAsEntry()?.isDirectory);
      if (files.length) takeFiles([...files], hasFolder);
    });
  }

  /** @param {{ isUseful: boolean, isNeeded: boolean }} stream */
  show({ isUseful, isNeeded }) {
    this.element.hidden = !isUseful;
    this.element.toggleAttribute("data-optional", !isNeeded);
  }

  setEmpty() {
    this.#setState("empty", "");
  }

  /** @param {string} fileName */
  setLoading(fileName) {
    this.#setState("loading", fileName);
  }

  /**
   * The player draws the pictures; here is said what they are.
   *
   * @param {string} fileName
   * @param {StreamPreview} preview
   */
  setReady(fileName, preview) {
    this.#setState("ready", fileName);
    const { legend, near, far } = this.parts;
    const { near_mm: nearMm, far_mm: farMm } = preview;
    const isMeasured = nearMm != null && farMm != null;
    legend.classList.toggle("shown", isMeasured);
    this.overlay.show(preview, this.canvas);
    if (!isMeasured) return;
    near.textContent = metres(nearMm);
    far.textContent = metres(farMm);
  }

  /**
   * @param {string} fileName
   * @param {Problem} problem
   * @param {() => void} [retry]
   */
  setProblem(fileName, problem, retry) {
    this.#setState("problem", fileName);
    const choose = { label: "Choose another file", run: () => this.input.click() };
    showProblem(this.parts.problem, problem, problem.retry && retry ? { label: problem.retry, run: retry } : choose);
  }

  /**
   * @param {"empty" | "loading" | "ready" | "problem"} state
   * @param {string} fileName
   */
  #setState(state, fileName) {
    this.element.dataset.state = state;
    this.parts.file.textContent = fileName;
    this.parts.problem.replaceChildren();
    this.parts.legend.classList.remove("shown");
    this.overlay.clear();
  }
}

/** @param {number} mm */
function metres(mm) {
  return `${(mm / 1000).toFixed(1)} m`;
}
