// What a person reads when something went wrong: a title, the reason with its remedy, perhaps one thing to press.

import { create, createButton } from "./dom.js";

/** @import { Action } from "../types.d.ts" */

export class Problem extends Error {
  /**
   * `retry`: what the button says that does the same again, "" where that would be in vain; `word`: the service's own
   * for this kind of problem; `note`: for a report to the service's owner; `isDown`: no other request would do
   * better until the models were met again.
   *
   * @param {string} title
   * @param {string} message
   */
  constructor(title, message, { retry = "", word = "", note = "", isDown = false } = {}) {
    super(message);
    this.title = title;
    this.retry = retry;
    this.word = word;
    this.note = note;
    this.isDown = isDown;
  }
}

/**
 * Show `problem` in `box`; `action`, if any, has a `label` and what to `run`.
 *
 * @param {HTMLElement} box
 * @param {Problem} problem
 * @param {Action | null} [action]
 */
export function showProblem(box, problem, action) {
  box.replaceChildren(create("strong", problem.title), create("p", problem.message));
  if (action) box.append(createButton(action.label, action.run));
  if (problem.note) box.append(create("small", problem.note));
}
