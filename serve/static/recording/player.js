// Plays the previews of all streams in step, each on its own canvas.

import { contextOf } from "../elements/dom.js";

/** @import { StreamName, StreamPreview } from "../types.d.ts" */
/** @typedef {{ play: HTMLButtonElement, seek: HTMLInputElement, clock: HTMLElement }} Controls */
/**
 * @typedef {object} Track
 * @property {HTMLImageElement[]} images
 * @property {StreamPreview} preview
 * @property {CanvasRenderingContext2D} context
 * @property {number} shown - the index of the image on the canvas, -1 before the first
 * @property {(index: number) => void} drawn
 */

const FALLBACK_FPS = 30; // that a recording is played with which does not know its own, as a zip of images

export class Player {
  /** @type {number | null} */
  durationS = null; // where it is known
  numFrames = 1;
  #playedS = 1; // how long it is played
  lastTime = 0; // when the position was last moved

  /**
   * `controls`: the elements `play`, `seek` and `clock`.
   *
   * @param {Controls} controls
   */
  constructor(controls) {
    this.controls = controls;
    /** @type {Map<StreamName, Track>} */
    this.tracks = new Map();
    this.position = 0; // in [0, 1) of the clip
    this.playing = false;
    controls.play.addEventListener("click", () => this.#setPlaying(!this.playing));
    controls.seek.addEventListener("input", () => this.#seek((Number(controls.seek.value) + 0.5) / this.numFrames));
  }

  /**
   * Show `preview`, one stream of the answer of POST /preview, on `canvas`, from the start. `drawn(index)` is called
   * with the number of each picture that is shown.
   *
   * @param {StreamName} stream
   * @param {StreamPreview} preview
   * @param {HTMLCanvasElement} canvas
   * @param {(index: number) => void} drawn
   */
  async load(stream, preview, canvas, drawn) {
    const images = await Promise.all((preview.frames ?? []).map(decode));
    if (images.length === 0) return;
    canvas.width = images[0].naturalWidth;
    canvas.height = images[0].naturalHeight;
    this.tracks.set(stream, { images, preview, context: contextOf(canvas), shown: -1, drawn });
    this.#measure();
    this.position = 0;
    this.#draw();
    if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) this.#setPlaying(true);
  }

  /** @param {StreamName} stream */
  unload(stream) {
    this.tracks.delete(stream);
    this.#measure();
    if (this.tracks.size === 0) this.#setPlaying(false);
  }

  #measure() {
    const previews = [...this.tracks.values()].map(({ preview }) => preview);
    const timed = previews.find(({ fps }) => fps);
    this.durationS = timed?.fps ? timed.num_frames / timed.fps : null;
    this.numFrames = Math.max(1, ...previews.map(({ num_frames }) => num_frames));
    this.#playedS = this.durationS ?? this.numFrames / FALLBACK_FPS;
    this.controls.seek.max = `${this.numFrames - 1}`;
    this.controls.play.disabled = this.controls.seek.disabled = previews.length === 0;
    if (previews.length === 0) this.controls.clock.textContent = "–";
  }

  /** @param {boolean} playing */
  #setPlaying(playing) {
    const started = playing && !this.playing;
    this.playing = playing;
    this.controls.play.dataset.playing = `${playing}`;
    this.controls.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.lastTime = performance.now();
    if (started) requestAnimationFrame((time) => this.#tick(time));
  }

  /** @param {number} position */
  #seek(position) {
    this.#setPlaying(false);
    this.position = position;
    this.#draw();
  }

  /** @param {number} time */
  #tick(time) {
    if (!this.playing) return;
    const passed = Math.max(0, time - this.lastTime) / 1000;
    this.position = (this.position + passed / this.#playedS) % 1;
    this.lastTime = time;
    this.#draw();
    requestAnimationFrame((next) => this.#tick(next));
  }

  #draw() {
    for (const track of this.tracks.values()) {
      const index = Math.floor(this.position * track.images.length);
      if (index === track.shown) continue;
      track.context.drawImage(track.images[index], 0, 0);
      track.drawn(index);
      track.shown = index;
    }
    const { seek, clock } = this.controls;
    seek.value = `${Math.floor(this.position * this.numFrames)}`;
    const [now, all, unit] =
      this.durationS === null
        ? [Number(seek.value) + 1, this.numFrames, "frames"]
        : [(this.position * this.durationS).toFixed(1), this.durationS.toFixed(1), "seconds"];
    clock.textContent = unit === "frames" ? `frame ${now} / ${all}` : `${now} / ${all} s`;
    seek.style.setProperty("--done", `${this.numFrames > 1 ? Number(seek.value) / Number(seek.max) : 0}`);
    seek.setAttribute("aria-valuetext", `${now} of ${all} ${unit}`);
  }
}

/** @param {string} uri */
async function decode(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}
