// One stream's place on the page: takes a file by drop, click or keyboard, and shows it, or what is wrong with it.

import { partsOf } from "./dom.js";
import { showProblem } from "./problem.js";

export class Stage {
  /** `takeFiles(files, hasFolder)` is called with what a person drops or chooses here. */
  constructor(element, takeFiles) {
    this.element = element;
    this.input = element.querySelector("input[type=file]");
    this.parts = partsOf(element);
    this.canvas = this.parts.canvas;
    this.input.addEventListener("change", () => {
      takeFiles([...this.input.files], false);
      this.input.value = ""; // so that choosing the same file again is a change too
    });
    this.#listenForDrops(takeFiles);
  }

  #listenForDrops(takeFiles) {
    let depth = 0; // dragenter and dragleave also come from the elements inside
    const mark = (change) => {
      depth = Math.max(0, depth + change);
      this.element.toggleAttribute("data-over", depth > 0);
    };
    this.element.addEventListener("dragenter", () => mark(+1));
    this.element.addEventListener("dragleave", () => mark(-1));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      mark(-depth);
      const { files, items } = event.dataTransfer;
      const hasFolder = [...items].some((item) => item.webkitGetAsEntry()?.isDirectory);
      if (files.length) takeFiles([...files], hasFolder);
    });
  }

  show(isNeeded) {
    this.element.hidden = !isNeeded;
  }

  setEmpty() {
    this.#setState("empty", "");
  }

  setLoading(fileName) {
    this.#setState("loading", fileName);
  }

  /** The player draws the pictures; here is said what they are. */
  setReady(fileName, preview) {
    this.#setState("ready", fileName);
    const { legend, near, far } = this.parts;
    legend.classList.toggle("shown", preview.near_mm != null);
    if (preview.near_mm == null) return;
    near.textContent = metres(preview.near_mm);
    far.textContent = metres(preview.far_mm);
  }

  setProblem(fileName, problem, retry) {
    this.#setState("problem", fileName);
    const choose = { label: "Choose another file", run: () => this.input.click() };
    showProblem(this.parts.problem, problem, problem.retry ? { label: problem.retry, run: retry } : choose);
  }

  #setState(state, fileName) {
    this.element.dataset.state = state;
    this.parts.file.textContent = fileName;
    this.parts.problem.replaceChildren();
    this.parts.legend.classList.remove("shown");
  }
}

function metres(mm) {
  return `${(mm / 1000).toFixed(1)} m`;
}
