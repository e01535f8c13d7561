// Makes elements, and finds those of the page.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string | number} text
 * @param {string} className
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function create(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = `${text}`;
  if (className) element.className = className;
  return element;
}

/**
 * @param {string} label
 * @param {() => void} run
 */
export function createButton(label, run) {
  const button = create("button", label);
  button.type = "button";
  button.addEventListener("click", run);
  return button;
}

/**
 * @param {keyof SVGElementTagNameMap} tag
 * @param {Record<string, string | number>} attributes
 */
export function createSvg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, `${value}`);
  return element;
}

/**
 * The element of the page with this id.
 *
 * @template {HTMLElement} Kind
 * @param {string} id
 * @returns {Kind}
 */
export const find = (id) => /** @type {Kind} */ (document.getElementById(id));

/**
 * What draws on a canvas in two dimensions.
 *
 * @param {HTMLCanvasElement} canvas
 */
export const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/**
 * The elements below `element` that have a `data-part`, by its value.
 *
 * @template {Record<string, HTMLElement | SVGElement>} Parts
 * @param {HTMLElement} element
 * @returns {Parts}
 */
export function partsOf(element) {
  /** @type {NodeListOf<HTMLElement>} */
  const parts = element.querySelectorAll("[data-part]");
  return /** @type {Parts} */ (Object.fromEntries([...parts].map((part) => [part.dataset.part, part])));
}
