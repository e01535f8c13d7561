// What a person says of a recording beside its files, and which part of it is meant.

/** @import { ClipMeta } from "../types.d.ts" */
/** @typedef {"depth_scale_mm" | "fps" | "depth_fps" | "start_s" | "end_s" | "windows"} NumberName */
/** @typedef {"fx" | "fy" | "cx" | "cy"} LensName */
/** @typedef {Record<NumberName | LensName, HTMLInputElement> & { lens: HTMLFieldSetElement }} Inputs */
/** @typedef {Inputs & Record<"prepared" | "camera", HTMLSelectElement>} Fields */

const NUMBERS = /** @type {const} */ (["depth_scale_mm", "fps", "depth_fps", "start_s", "end_s"]);
const LENS = /** @type {LensName[]} */ (["fx", "fy", "cx", "cy"]);

export class Options {
  /**
   * `changed(name)` is called when a field has another value that makes sense.
   *
   * @param {HTMLFormElement} form
   * @param {(name: string) => void} changed
   */
  constructor(form, changed) {
    this.form = form;
    this.fields = /** @type {Fields} */ (/** @type {unknown} */ (form.elements));
    form.addEventListener("input", () => this.#check());
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", (event) => {
      const { name } = /** @type {HTMLInputElement} */ (event.target);
      if (this.#isHalfway(name)) return; // the others of the four are still to come
      if (form.reportValidity()) changed(name);
    });
  }

  /**
   * Offer what such a model can use.
   *
   * @param {{ both: boolean, measuresDepth: boolean, prepares: boolean }} uses
   */
  offer({ both, measuresDepth, prepares }) {
    const camera = prepares && measuresDepth;
    const offered = { depth_scale_mm: measuresDepth, depth_fps: both, prepared: prepares, camera, lens: camera };
    for (const [name, isOffered] of Object.entries(offered)) {
      const field = this.fields[/** @type {keyof typeof offered} */ (name)];
      /** @type {HTMLElement} */ (field.closest(".field")).hidden = !isOffered;
      field.disabled = !isOffered;
    }
  }

  /**
   * What is said, as `meta` of a request; values that are wrong are left out.
   *
   * @returns {ClipMeta}
   */
  get meta() {
    const { prepared, camera } = this.fields;
    const set = NUMBERS.filter((name) => this.fields[name].value !== DEFAULTS[name]);
    const told = set.filter((name) => this.#isTold(this.fields[name]));
    return {
      ...Object.fromEntries(told.map((name) => [name, this.fields[name].valueAsNumber])),
      ...(prepared.value && !prepared.disabled && { prepared: prepared.value === "yes" }),
      ...(camera.value && !camera.disabled && { camera: camera.value }),
      ...(LENS.every((name) => this.#isTold(this.fields[name])) && { intrinsics: this.#lens }),
    };
  }

  get #lens() {
    return Object.fromEntries(LENS.map((name) => [name, this.fields[name].valueAsNumber]));
  }

  /**
   * Whether a field is one of those of the lens, of which only some were filled in.
   *
   * @param {string} name
   */
  #isHalfway(name) {
    return LENS.some((one) => one === name) && LENS.some((one) => this.fields[one].validity.customError);
  }

  /** Into how many equal parts the recording is divided. */
  get windows() {
    const { windows } = this.fields;
    return this.#isTold(windows) ? windows.valueAsNumber : 1;
  }

  /**
   * Say that one unit of depth is so many millimetres; 1, where another recording comes.
   *
   * @param {number} scaleMm
   */
  setScale(scaleMm) {
    this.fields.depth_scale_mm.value = `${scaleMm}`;
    this.#check();
  }

  /** @param {HTMLInputElement} field */
  #isTold(field) {
    return !field.matches(":disabled") && field.value !== "" && field.validity.valid;
  }

  #check() {
    const { depth_scale_mm: scale, start_s: start, end_s: end } = this.fields;
    scale.setCustomValidity(scale.disabled || scale.valueAsNumber > 0 ? "" : "A number above 0 is needed.");
    const isBehind = end.value === "" || end.valueAsNumber > (start.valueAsNumber || 0);
    end.setCustomValidity(isBehind ? "" : "The end must lie behind the start.");
    const isLensTold = LENS.some((name) => this.fields[name].value !== "");
    for (const name of LENS) {
      const isMissing = isLensTold && this.fields[name].value === "";
      this.fields[name].setCustomValidity(isMissing ? "Give fx, fy, cx and cy, or none of them." : "");
    }
    const { camera } = this.fields;
    camera.setCustomValidity(isLensTold && camera.value ? "Its lens is given below: choose “as it looks” here." : "");
  }
}

/** @type {Partial<Record<NumberName, string>>} */
const DEFAULTS = { depth_scale_mm: "1", start_s: "0" };
