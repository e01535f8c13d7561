// Says who was found in a recording, and lets one be chosen whom the answer is about.

import { createButton, partsOf } from "../elements/dom.js";

/** @import { PreviewPreparation } from "../types.d.ts" */

const PREPARED = "This recording is taken as prepared: nothing is cut out of it.";
const NOBODY = "Nobody was found, so the network looks at the whole frame. The answer may well be wrong.";

export class People {
  /**
   * `choose(person)` is called with the person that is wanted; null stands for all together.
   *
   * @param {HTMLElement} element
   * @param {(person: number | null) => void} choose
   */
  constructor(element, choose) {
    this.element = element;
    this.choose = choose;
    /** @type {Record<"words" | "choice", HTMLElement>} */
    this.parts = partsOf(element);
  }

  /**
   * `persons`: whom answers may be about; there is a choice where they are several.
   *
   * @param {PreviewPreparation | null} preparation
   * @param {(number | null)[]} persons
   */
  show(preparation, persons) {
    const words = preparation === null ? "" : describe(preparation);
    this.element.hidden = !words;
    this.element.toggleAttribute("data-warns", preparation?.num_people === 0);
    if (this.parts.words.textContent !== words) this.parts.words.textContent = words; // else it would be read again
    const buttons = persons.map((person) => {
      const button = createButton(person === null ? "All together" : `Person ${person}`, () => this.choose(person));
      button.dataset.person = `${person}`;
      return button;
    });
    this.parts.choice.replaceChildren(...buttons);
    this.parts.choice.hidden = persons.length < 2;
  }

  /** @param {number | null} person */
  mark(person) {
    for (const button of this.parts.choice.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", `${button.dataset.person === `${person}`}`);
    }
  }
}

/** @param {PreviewPreparation} preparation */
function describe({ was_prepared: wasPrepared, decided_by: decidedBy, num_people: numPeople }) {
  if (wasPrepared) return decidedBy === "bundle" ? "" : PREPARED;
  if (numPeople == null) return "";
  if (numPeople === 0) return NOBODY;
  return numPeople === 1 ? "One person was found." : `${numPeople} people were found.`;
}
