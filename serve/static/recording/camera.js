// Records a few seconds with the camera, in place of a file.

import { letGo, openWebcam } from "../elements/webcam.js";

/** @import { Stage } from "./stage.js" */

const LONGEST_S = 5;
/** @type {Record<string, string>} */
const FORMATS = { "video/webm": "camera.webm", "video/mp4": "camera.mp4" }; // browsers write one or the other

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
      const stream = await openWebcam("drop a recording.");
      if (!this.#isFree) return letGo(stream); // the person took a file while the browser asked
      this.stream = stream;
      this.#setState("camera", "live");
      this.parts.live.srcObject = this.stream;
      this.parts.record.focus();
    } catch (problem) {
      if (!this.#isFree) return;
      this.stage.setProblem("", problem, () => this.open());
    }
  }

  /** Let go of the camera; what is being recorded is lost. */
  close() {
    clearInterval(this.countdown);
    this.recorder = null;
    letGo(this.stream);
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
