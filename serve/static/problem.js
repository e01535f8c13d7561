// What a person reads when something went wrong: a title, the reason with its remedy, perhaps one thing to press.

import { create, createButton } from "./dom.js";

export class Problem extends Error {
  /**
   * `retry`: what the button says that does the same again, "" where that would be in vain; `word`: the service's own
   * for this kind of problem; `note`: for a report to the service's owner; `isDown`: no other request would do
   * better until the models were met again.
   */
  constructor(title, message, { retry = "", word = "", note = "", isDown = false } = {}) {
    super(message);
    Object.assign(this, { title, retry, word, note, isDown });
  }
}

/** Show `problem` in `box`; `action`, if any, has a `label` and what to `run`. */
export function showProblem(box, problem, action) {
  box.replaceChildren(create("strong", problem.title), create("p", problem.message));
  if (action) box.append(createButton(action.label, action.run));
  if (problem.note) box.append(create("small", problem.note));
}
