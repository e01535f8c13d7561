// The requests that are under way, by name: a new one takes the place of the old one of its name.

export class Requests {
  /** @type {Record<string, AbortController>} */
  #controllers = {};

  /**
   * The signal for a request that begins now.
   *
   * @param {string} name
   */
  begin(name) {
    this.abort(name);
    this.#controllers[name] = new AbortController();
    return this.#controllers[name].signal;
  }

  /** @param {string} name */
  abort(name) {
    this.#controllers[name]?.abort();
  }
}
