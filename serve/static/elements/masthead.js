// Which model answers: its name, or a choice where there are several, and whether the service is there at all.

import { create, partsOf } from "./dom.js";

/** @import { Problem } from "./problem.js" */
/** @import { Model } from "../types.d.ts" */

export class Masthead {
  /** @type {Model[]} */
  models = [];
  /** @type {(() => void) | null} */
  retry = null;

  /**
   * `choose(model)` is called with one of the models that were shown.
   *
   * @param {HTMLElement} element
   * @param {(model: Model) => void} choose
   */
  constructor(element, choose) {
    this.element = element;
    /** @type {{ choice: HTMLSelectElement, name: HTMLElement, detail: HTMLElement, retry: HTMLButtonElement }} */
    this.parts = partsOf(element);
    this.parts.choice.addEventListener("change", () => choose(this.models[this.parts.choice.selectedIndex]));
    this.parts.retry.addEventListener("click", () => this.retry?.());
  }

  /**
   * @param {Model[]} models
   * @param {Model} chosen
   */
  showModels(models, chosen) {
    this.models = models;
    const { choice, name, detail } = this.parts;
    const titles = models.map((model) => `${model.name} ${model.version}`);
    choice.replaceChildren(...titles.map((title) => create("option", title)));
    choice.selectedIndex = models.indexOf(chosen);
    this.#setState("ready", models.length > 1);
    name.textContent = models.length > 1 ? "" : titles[0];
    detail.textContent = `${chosen.runtime} ${chosen.device} ${chosen.precision}`;
  }

  /**
   * `retry`, where it is given, is offered as a button.
   *
   * @param {Problem} problem
   * @param {(() => void) | null} retry
   */
  showProblem(problem, retry) {
    this.#setState("down", false);
    this.parts.name.textContent = problem.title;
    this.parts.detail.textContent = retry ? "" : "Trying again…";
    this.parts.retry.hidden = !retry;
    this.parts.retry.textContent = problem.retry || "Try again";
    this.retry = retry;
  }

  /**
   * @param {"ready" | "down"} state
   * @param {boolean} hasChoice
   */
  #setState(state, hasChoice) {
    this.element.dataset.state = state;
    this.parts.choice.hidden = !hasChoice;
    this.parts.retry.hidden = true;
  }
}
