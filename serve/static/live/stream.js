// A live stream: frames go to the service as they are taken, what they show comes back. Any page or program can import
// this module alone; docs/live.md has the contract.

/** @import { LiveFrame, LiveHello, LiveReady, LiveSaid } from "../types.d.ts" */

export const SUBPROTOCOL = "rgbd-motion.live.v1";
const HEADER_BYTES = 12;
const STREAMS = ["rgb", "depth"];
const ENCODINGS = ["raw", "jpeg", "png", "zstd"];
const LOST = { error: "lost", title: "The connection was lost", detail: "Check that the service is running." };

/** What the service says when it closes a stream: `problem` is an RFC 9457 document. */
export class LiveProblem extends Error {
  /** @param {{ error?: string, title?: string, detail?: string, request_id?: string }} problem */
  constructor(problem) {
    super(problem.detail ?? "");
    this.problem = problem;
  }
}

export class LiveStream {
  /** @type {(said: LiveSaid) => void} */
  #hear = () => {};

  /**
   * Resolves when frames may be sent; rejects with a `LiveProblem`.
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
    /** @type {LiveProblem | null} */
    let problem = null;
    /** @type {() => void} */
    let begin;
    /** @type {(problem: LiveProblem) => void} */
    let refuse;
    this.#begun = new Promise((resolve, reject) => ([begin, refuse] = [resolve, reject]));
    /** Resolves when the service has said all; rejects with why it closed the stream. */
    this.ended = new Promise((resolve, reject) => {
      socket.addEventListener("close", ({ code, reason }) => {
        if (code === 1000) return resolve(undefined);
        const [error, detail] = split(reason);
        problem ??= new LiveProblem(detail ? { error, title: "The service ended the stream", detail } : LOST);
        refuse(problem);
        reject(problem);
      });
    });
    this.ended.catch(() => {}); // who waits for it hears of it; nobody has to
    socket.addEventListener("message", ({ data }) => {
      const said = JSON.parse(data);
      if (said.type === "problem") problem = new LiveProblem(said.problem);
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
