// Where colour frames come from: the camera, or a video that is replayed as if it were one.

import { Problem } from "../elements/problem.js";
import { letGo, openWebcam } from "../elements/webcam.js";

const LARGEST = 640; // pixels of a side: the network looks at fewer
const QUALITY = 0.85; // of JPEG

export class Picture {
  /** @type {MediaStream | null} */
  #camera = null;
  #canvas = document.createElement("canvas");

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
  }

  /** Show what the camera sees; raises a `Problem` where there is none. */
  async openCamera() {
    this.close();
    this.#camera = await openWebcam("choose a recording.");
    this.video.srcObject = this.#camera;
    await this.video.play();
  }

  /**
   * Show the beginning of a recording; raises a `Problem` where the browser cannot play it.
   *
   * @param {File} file
   */
  async openFile(file) {
    this.close();
    this.video.src = URL.createObjectURL(file);
    await new Promise((resolve, reject) => {
      this.video.addEventListener("loadeddata", resolve, { once: true });
      const remedy = "Choose a video of colour, such as mp4 or webm. Others are sent by: python -m clients live";
      const refuse = () => reject(new Problem("The browser cannot play this file", remedy));
      this.video.addEventListener("error", refuse, { once: true });
    });
  }

  /** Play a recording; a camera's picture moves already. */
  async play() {
    await this.video.play();
  }

  /** Let go of camera and file. */
  close() {
    letGo(this.#camera);
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.#camera = this.video.srcObject = null;
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** When the picture that is shown was taken, in seconds. */
  get timeS() {
    return this.#camera ? performance.now() / 1000 : this.video.currentTime;
  }

  /**
   * (width, height) of what `take` returns.
   *
   * @returns {[width: number, height: number]}
   */
  get size() {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, LARGEST / Math.max(videoWidth, videoHeight));
    return [Math.round(videoWidth * scale), Math.round(videoHeight * scale)];
  }

  /** The picture that is shown, as JPEG. */
  async take() {
    const [width, height] = this.size;
    Object.assign(this.#canvas, { width, height });
    const context = /** @type {CanvasRenderingContext2D} */ (this.#canvas.getContext("2d"));
    context.drawImage(this.video, 0, 0, width, height);
    /** @type {Blob | null} */
    const blob = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
    return /** @type {Blob} */ (blob).arrayBuffer();
  }
}
