// The service's client for pages and programs, in one file that needs no other: browsers, and Node from 20 on (live
// streams from 22 on, which has WebSocket). The page of this service uses it, too. docs/serving.md has examples.

/** @import { Answer, Asked, Explanation, LiveFrame, LiveHello, LiveReady, LiveSaid } from "./wire.d.ts" */
/** @import { Model, ModelDetails, PreviewReply, Recording, Refusal, ServiceState } from "./wire.d.ts" */
/** @import { StreamName, Timeline } from "./wire.d.ts" */
/** @typedef {[name: string, value: string | Blob][]} Parts */

const BUSY = [429, 503];
const LONGEST_WAIT_S = 30; // a service that asks for more is not coming back soon: better to say so
const UNKNOWN_RECORDING = "unknown_recording";
const SUBPROTOCOL = "rgbd-motion.live.v1";
const HEADER_BYTES = 12;
const STREAMS = ["rgb", "depth"];
const ENCODINGS = ["raw", "jpeg", "png", "zstd"];
const LOST = { error: "lost", title: "The connection was lost", detail: "Check that the service is running." };

/**
 * Why the service does not answer. `problem` is its RFC 9457 document, empty where a proxy answered in its place, or
 * nobody; `status` that of HTTP, 0 where none came; `retryAfterS` when it asks to try again.
 */
export class ServiceProblem extends Error {
  /**
   * @param {Refusal} problem
   * @param {{ status?: number, retryAfterS?: number | null }} [answer]
   */
  constructor(problem, { status = 0, retryAfterS = null } = {}) {
    super(problem.detail ?? (status ? `The service answered with status ${status}.` : "The service cannot be reached."));
    this.name = "ServiceProblem";
    this.problem = problem;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  /** The service's word for this kind of problem, such as "unusable_clip"; "" where it gave none. */
  get word() {
    return this.problem.error?.split(":")[0] ?? ""; // the Open Inference Protocol has the detail behind it
  }
}

/**
 * One service. A file is sent once, however often it is asked about; requests are repeated where the service is busy.
 *
 * Each method rejects with a `ServiceProblem`, or with what an aborted signal says.
 */
export class Client {
  #address;
  #key;
  #onRefusedKey;
  #numRetries;
  /** @type {Record<StreamName, WeakMap<Blob, string>>} */
  #kept = { rgb: new WeakMap(), depth: new WeakMap() }; // what the service calls the files that it was sent

  /**
   * `address` is the service's, with the path that a proxy gives it. `key` is for a service that asks for one: the key,
   * or a function that returns it. `onRefusedKey` is told of a key that is not known, null where none was sent, and
   * resolves to whether there is another one by now. `numRetries`: how often a request is repeated when the service
   * says that it is busy, after the time that it asks for.
   *
   * @param {object} [options]
   * @param {string | URL} [options.address]
   * @param {string | null | (() => string | null)} [options.key]
   * @param {(refused: string | null) => Promise<boolean>} [options.onRefusedKey]
   * @param {number} [options.numRetries]
   */
  constructor({ address = "http://127.0.0.1:8000/", key = null, onRefusedKey, numRetries = 3 } = {}) {
    const text = String(address);
    this.#address = new URL(text.endsWith("/") ? text : `${text}/`);
    this.#key = typeof key === "function" ? key : () => key;
    this.#onRefusedKey = onRefusedKey ?? (async () => false);
    this.#numRetries = numRetries;
  }

  /**
   * The models that are ready, the newest version of each first.
   *
   * @returns {Promise<Model[]>}
   */
  async models() {
    return (await this.#request("v2/models")).models;
  }

  /**
   * All there is to know about one of them.
   *
   * @param {Pick<Model, "name" | "version">} model
   * @returns {Promise<ModelDetails>}
   */
  describe({ name, version }) {
    return this.#request(`v2/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}`);
  }

  /**
   * Which motion a recording shows.
   *
   * @param {Recording} recording
   * @param {Asked} [asked]
   * @returns {Promise<Answer>}
   */
  predict(recording, asked) {
    return this.#post("predict", recording, asked);
  }

  /**
   * What happens in a long recording, and when.
   *
   * @param {Recording} recording
   * @param {Asked} [asked]
   * @returns {Promise<Timeline>}
   */
  timeline(recording, asked) {
    return this.#post("timeline", recording, asked);
  }

  /**
   * What the answer rests on.
   *
   * @param {Recording} recording
   * @param {Asked} [asked]
   * @returns {Promise<Explanation>}
   */
  explain(recording, asked) {
    return this.#post("explain", recording, asked);
  }

  /**
   * What the service makes of a recording before a network sees it.
   *
   * @param {Recording} recording
   * @param {Asked} [asked]
   * @returns {Promise<PreviewReply>}
   */
  preview(recording, asked) {
    return this.#post("preview", recording, asked);
  }

  /**
   * What the service does at the moment, for its owner.
   *
   * @returns {Promise<ServiceState>}
   */
  state() {
    return this.#request("admin/state");
  }

  /**
   * A file that the service gives to everybody, such as an example.
   *
   * @param {string} path
   * @returns {Promise<Blob>}
   */
  async file(path) {
    const response = await this.#fetch(path);
    if (!response.ok) throw refusal(response, {});
    return response.blob();
  }

  /**
   * A live stream, once frames may be sent.
   *
   * @param {LiveHello} hello
   */
  async live(hello) {
    const key = this.#key();
    try {
      return await LiveStream.open({ address: this.#address, hello, key });
    } catch (problem) {
      // Nobody is told why a handshake was refused: whoever has no key yet may lack one.
      if (problem.word !== "lost" || !(await this.#lacksKey()) || !(await this.#onRefusedKey(key))) throw problem;
      return LiveStream.open({ address: this.#address, hello, key: this.#key() });
    }
  }

  async #lacksKey() {
    return (await this.#fetch("v2/models", { headers: this.#headers() })).status === 401;
  }

  #headers() {
    const key = this.#key();
    return /** @type {Record<string, string>} */ (key === null ? {} : { Authorization: `Bearer ${key}` });
  }

  /**
   * Each file is sent once, and once more where the service does not have it any more.
   *
   * @param {string} path
   * @param {Recording} recording
   * @param {Asked} [asked]
   */
  async #post(path, recording, { query = {}, meta = {}, signal } = {}) {
    const texts = Object.entries(query).map(([name, value]) => [name, String(value)]);
    /** @type {Parts} */
    const said = Object.keys(meta).length > 0 ? [["meta", JSON.stringify(meta)]] : [];
    const ask = (/** @type {Parts} */ parts) =>
      this.#postForm(`${path}?${new URLSearchParams(texts)}`, [...parts, ...said], signal);
    const given = /** @type {[StreamName, Blob][]} */ (Object.entries(recording));
    const names = await Promise.all(given.map(([stream, file]) => this.#keep(stream, file, signal)));
    try {
      return await ask(names.map((name) => ["recording", name]));
    } catch (problem) {
      if (problem.word !== UNKNOWN_RECORDING) throw problem;
      for (const [stream, file] of given) this.#kept[stream].delete(file);
      return ask(given); // with the request: of several replicas, the next one to answer may not have it either
    }
  }

  /**
   * What the service calls a file, which is sent where it was not yet.
   *
   * @param {StreamName} stream
   * @param {Blob} file
   * @param {AbortSignal} [signal]
   */
  async #keep(stream, file, signal) {
    const known = this.#kept[stream].get(file);
    if (known) return known;
    const { recording } = await this.#postForm("recordings", [[stream, file]], signal);
    this.#kept[stream].set(file, recording);
    return recording;
  }

  /**
   * @param {string} path
   * @param {Parts} parts
   * @param {AbortSignal} [signal]
   */
  #postForm(path, parts, signal) {
    const body = new FormData();
    for (const [name, value] of parts) body.append(name, value);
    return this.#request(path, { method: "POST", body, signal });
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   * @returns {Promise<any>} what the service answers as JSON
   */
  async #request(path, options = {}) {
    for (let attempt = 0; ; attempt++) {
      const key = this.#key();
      const response = await this.#fetch(path, { ...options, headers: this.#headers() });
      const body = await readJson(response);
      if (response.ok && body) return body;
      const problem = refusal(response, body ?? {});
      if (response.status === 401) {
        if (!(await this.#onRefusedKey(key))) throw problem;
      } else {
        const waitS = problem.retryAfterS ?? 1;
        if (!BUSY.includes(response.status) || attempt >= this.#numRetries || waitS > LONGEST_WAIT_S) throw problem;
        await wait(waitS, options.signal);
      }
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   */
  async #fetch(path, options) {
    try {
      return await fetch(new URL(path, this.#address), options);
    } catch (error) {
      if (options?.signal?.aborted) throw error;
      throw new ServiceProblem({}); // the reason is for whoever reads the console
    }
  }
}

/** @param {Response} response */
async function readJson(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return null; // a proxy answered with a page of its own
  }
}

/**
 * @param {Response} response
 * @param {Refusal} problem
 */
function refusal({ status, headers }, problem) {
  const seconds = Number.parseFloat(headers.get("Retry-After") ?? "");
  return new ServiceProblem(problem, { status, retryAfterS: Number.isNaN(seconds) ? null : seconds });
}

/**
 * @param {number} seconds
 * @param {AbortSignal | null} [signal]
 */
function wait(seconds, signal) {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Frames go to the service as they are taken, and what they show comes back; docs/live.md has the contract. */
export class LiveStream {
  /** @type {(said: LiveSaid) => void} */
  #hear = () => {};

  /**
   * Resolves when frames may be sent; rejects with a `ServiceProblem`.
   *
   * `address` is the service's, such as "https://lab.example/"; `hello` says what will be sent, and what is asked.
   *
   * @param {{ address: string | URL, hello: LiveHello, key?: string | null }} asked
   * @returns {Promise<LiveStream>}
   */
  static async open({ address, hello, key = null }) {
    const url = new URL("live", address);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, key ? [SUBPROTOCOL, `bearer.${key}`] : [SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    const stream = new LiveStream(socket);
    socket.addEventListener("open", () => socket.send(JSON.stringify({ type: "hello", ...hello })));
    await stream.#begun;
    return stream;
  }

  /** @type {Promise<void>} */
  #begun;

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.socket = socket;
    /** @type {LiveReady | null} */
    this.ready = null;
    /** @type {ServiceProblem | null} */
    let problem = null;
    /** @type {() => void} */
    let begin;
    /** @type {(problem: ServiceProblem) => void} */
    let refuse;
    this.#begun = new Promise((resolve, reject) => ([begin, refuse] = [resolve, reject]));
    /** Resolves when the service has said all; rejects with why it closed the stream. */
    this.ended = new Promise((resolve, reject) => {
      socket.addEventListener("close", ({ code, reason }) => {
        if (code === 1000) return resolve(undefined);
        const [error, detail] = split(reason);
        problem ??= new ServiceProblem(detail ? { error, title: "The service ended the stream", detail } : LOST);
        refuse(problem);
        reject(problem);
      });
    });
    this.ended.catch(() => {}); // who waits for it hears of it; nobody has to
    socket.addEventListener("message", ({ data }) => {
      const said = JSON.parse(data);
      if (said.type === "problem") problem = new ServiceProblem(said.problem);
      else if (said.type !== "ready") this.#hear(said);
      else {
        this.ready = said;
        begin();
      }
    });
  }

  /**
   * Have `hear` told all that the service says.
   *
   * @param {(said: LiveSaid) => void} hear
   */
  listen(hear) {
    this.#hear = hear;
  }

  /** Whether what was sent is still on its way: a camera's next frame had better be left out. */
  get isBehind() {
    return this.socket.bufferedAmount > 0;
  }

  /**
   * Send a frame that was taken at a time in seconds of any clock.
   *
   * @param {LiveFrame} frame
   */
  send({ stream, timeS, encoding, pixels }) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(HEADER_BYTES + pixels.byteLength);
    const header = new DataView(message.buffer);
    header.setUint8(0, STREAMS.indexOf(stream));
    header.setUint8(1, ENCODINGS.indexOf(encoding));
    header.setBigUint64(4, BigInt(Math.round(timeS * 1e6)), true);
    message.set(new Uint8Array(pixels), HEADER_BYTES);
    this.socket.send(message);
  }

  /** Say that no more frames come: the rest is answered, then `ended` resolves. */
  end() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "end" }));
  }
}

/** @param {string} reason */
function split(reason) {
  const place = reason.indexOf(": ");
  return place < 0 ? ["", ""] : [reason.slice(0, place), reason.slice(place + 2)];
}
