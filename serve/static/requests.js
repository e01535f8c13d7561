// The requests that are under way, by name: a new one takes the place of the old one of its name.

export class Requests {
  #controllers = {};

  /** The signal for a request that begins now. */
  begin(name) {
    this.abort(name);
    this.#controllers[name] = new AbortController();
    return this.#controllers[name].signal;
  }

  abort(name) {
    this.#controllers[name]?.abort();
  }
}
