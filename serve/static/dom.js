// Makes elements.

const SVG = "http://www.w3.org/2000/svg";

export function create(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

export function createButton(label, run) {
  const button = create("button", label);
  button.type = "button";
  button.addEventListener("click", run);
  return button;
}

export function createSvg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** The elements below `element` that have a `data-part`, by its value. */
export function partsOf(element) {
  return Object.fromEntries([...element.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
}
