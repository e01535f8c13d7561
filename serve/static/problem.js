// What a person reads when something went wrong: a title, the reason with its remedy, perhaps one thing to press.

export class Problem extends Error {
  /** `note` is for a report to the service's owner; `isPassing`: the same request may work later. */
  constructor(title, message, { note = "", isPassing = false, isDown = false } = {}) {
    super(message);
    this.title = title;
    this.note = note;
    this.isPassing = isPassing;
    this.isDown = isDown;
  }
}

export function showProblem(box, problem, action) {
  box.replaceChildren(create("strong", problem.title), create("p", problem.message));
  if (action) {
    const button = create("button", action.label);
    button.type = "button";
    button.addEventListener("click", action.run);
    box.append(button);
  }
  if (problem.note) box.append(create("small", problem.note));
}

export function create(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}
