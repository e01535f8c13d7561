// Records a few seconds with the camera, in place of a file.

import { Problem } from "../elements/problem.js";

/** @import { Stage } from "./stage.js" */

const LONGEST_S = 5;
const WANTED = { video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } }, audio: false };
/** @type {Record<string, string>} */
const FORMATS = { "video/webm": "camera.webm", "video/mp4": "camera.mp4" }; // browsers write one or the other
/** @type {Record<string, [title: string, remedy: string]>} */
const PROBLEMS = {
  NotAllowedError: ["The camera may not be used", "Allow this page to use it, at the browser's address bar."],
  NotFoundError: ["There is no camera", "Connect one, or drop a recording."],
  NotReadableError: ["The camera is in use", "Close the program that has it."],
};

export class Camera {
  /** @type {MediaStream | null} */
  stream = null;
  /** @type {MediaRecorder | null} */
  recorder = null;
  /** @type {number | undefined} */
  countdown;

  /**
   * `stage`: where the live picture goes; `clear()` takes away what is there, `take(file)` gets what was recorded.
   *
   * @param {Stage} stage
   * @param {{ clear: () => void, take: (file: File) => void }} callbacks
   */
  constructor(stage, { clear, take }) {
    this.stage = stage;
    this.clear = clear;
    this.take = take;
    this.parts = stage.parts;
    const { camera, record, stop, leave } = this.parts;
    camera.addEventListener("click", () => this.open());
    record.addEventListener("click", () => this.#record());
    stop.addEventListener("click", () => this.#stop());
    leave.addEventListener("click", () => this.#leave());
  }

  /** Whether there may be one: browsers keep cameras from plain http. */
  static get works() {
    return Boolean(navigator.mediaDevices) && Boolean(window.MediaRecorder);
  }

  async open() {
    this.close();
    this.clear();
    try {
      const stream = await navigator.mediaDevices.getUserMedia(WANTED);
      if (!this.#isFree) return letGo(stream); // the person took a file while the browser asked
      this.stream = stream;
      this.#setState("camera", "live");
      this.parts.live.srcObject = this.stream;
      this.parts.record.focus();
    } catch (error) {
      if (!this.#isFree) return;
      const [title, remedy] = PROBLEMS[error.name] ?? ["The camera does not work", error.message];
      this.stage.setProblem("", new Problem(title, remedy, { retry: "Try again" }), () => this.open());
    }
  }

  /** Let go of the camera; what is being recorded is lost. */
  close() {
    clearInterval(this.countdown);
    this.recorder = null;
    if (this.stream) letGo(this.stream);
    this.stream = this.parts.live.srcObject = null;
  }

  get #isFree() {
    return this.stage.element.dataset.state === "empty";
  }

  #leave() {
    this.close();
    this.#setState("empty", "");
    this.parts.camera.focus();
  }

  #record() {
    const stream = /** @type {MediaStream} */ (this.stream);
    const type = Object.keys(FORMATS).find((format) => MediaRecorder.isTypeSupported(format)) ?? "";
    const recorder = (this.recorder = new MediaRecorder(stream, { mimeType: type }));
    recorder.addEventListener("dataavailable", ({ data }) => {
      if (recorder !== this.recorder) return; // it was closed meanwhile
      this.close();
      this.#setState("loading", "");
      this.take(new File([data], FORMATS[type], { type }));
    });
    recorder.start();
    this.#setState("camera", "recording");
    this.parts.stop.focus();
    this.#count(LONGEST_S);
  }

  /** @param {number} leftS */
  #count(leftS) {
    this.parts.left.textContent = `${leftS} s`;
    this.countdown = setInterval(() => {
      leftS -= 1;
      this.parts.left.textContent = `${leftS} s`;
      if (leftS === 0) this.#stop();
    }, 1000);
  }

  #stop() {
    clearInterval(this.countdown);
    if (this.recorder?.state === "recording") this.recorder.stop();
  }

  /**
   * @param {"empty" | "camera" | "loading"} state
   * @param {"" | "live" | "recording"} camera
   */
  #setState(state, camera) {
    this.stage.element.dataset.state = state;
    this.stage.element.dataset.camera = camera;
    this.parts.said.textContent = camera === "recording" ? `Recording, for up to ${LONGEST_S} seconds` : "";
  }
}

/** @param {MediaStream} stream */
function letGo(stream) {
  for (const track of stream.getTracks()) track.stop();
}
