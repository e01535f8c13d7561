// The recordings on the stages: which file stands for which stream, and what the service could read of it.

import { Problem } from "../elements/problem.js";
import { Requests } from "../service/requests.js";
import { preview } from "../service/service.js";

/** @import { Player } from "./player.js" */
/** @import { Stage } from "./stage.js" */
/** @import { ClipMeta, ClipRequest, Files, Model } from "../types.d.ts" */
/** @import { PreviewPreparation, PreviewReply, Previews, StreamName, StreamPreview } from "../types.d.ts" */
/**
 * @typedef {object} Callbacks
 * @property {() => ClipMeta} told
 * @property {() => void} changed
 * @property {() => void} depthReplaced
 * @property {(problem: Problem) => void} lost
 */

const STREAMS = /** @type {const} */ (["rgb", "depth"]);
const SAME_RATE = 0.02; // by which two rates may differ: clocks of cameras do, by less

const IS_DEPTH = "It belongs in the place for depth, and the colour recording here.";

export class Recordings {
  /** @type {Model | null} */
  model = null; // the one that is asked
  /** @type {readonly StreamName[]} */
  needed = STREAMS; // those that it takes
  /** @type {readonly StreamName[]} */
  useful = STREAMS; // and those that only help to find the people in them
  /** @type {PreviewPreparation | null} */
  preparation = null; // what the service would do to what it could read
  isAligning = false; // while both are there, and it is asked which of their frames belong together
  /** @type {Previews} */
  previews = {}; // stream -> what the service could read of it
  /** @type {Files} */
  #files = {}; // stream -> the File chosen for it
  #requests = new Requests();

  /**
   * `told()` is what is said of the recordings. `changed()` is called when there is more or less on the stages,
   * `depthReplaced()` when another depth recording takes the place of one, `lost(problem)` when the service is gone, or
   * the model.
   *
   * @param {Record<StreamName, Stage>} stages
   * @param {Player} player
   * @param {Callbacks} callbacks
   */
  constructor(stages, player, { told, changed, depthReplaced, lost }) {
    this.stages = stages;
    this.player = player;
    this.told = told;
    this.changed = changed;
    this.depthReplaced = depthReplaced;
    this.lost = lost;
  }

  /** Whether one of them is on its way to the service. */
  get isReading() {
    return STREAMS.some((stream) => this.stages[stream].element.dataset.state === "loading");
  }

  get missing() {
    return this.needed.filter((stream) => !this.previews[stream]);
  }

  /** The file that depth is in. */
  get #depthFile() {
    return this.#files.depth ?? (this.previews.depth && this.#files.rgb);
  }

  /** What a request about the recordings sends: what is on the stages. One file may stand for both streams. */
  get clip() {
    const chosen = this.useful.filter((stream) => this.#files[stream] && this.previews[stream]);
    return this.#request(Object.fromEntries(chosen.map((stream) => [stream, this.#files[stream]])));
  }

  /**
   * Ask `model` from now on, to which the `useful` streams are of use; what is on the stages is read again for it.
   *
   * @param {Model} model
   * @param {readonly StreamName[]} useful
   */
  use(model, useful) {
    this.model = model;
    this.needed = model.modality === "rgbd" ? STREAMS : [model.modality];
    this.useful = useful;
    for (const stream of STREAMS) {
      this.stages[stream].show({ isUseful: useful.includes(stream), isNeeded: this.needed.includes(stream) });
      this.#hide(stream);
    }
    this.changed();
    this.readAgain();
  }

  /** Something else is said of them than before. */
  readAgain() {
    for (const stream of this.useful) {
      const file = this.#files[stream];
      if (file) this.load(stream, file);
    }
  }

  /**
   * Take what was dropped on, or chosen for, a stream.
   *
   * @param {StreamName} stream
   * @param {File[]} dropped
   */
  take(stream, dropped, hasFolder = false) {
    if (hasFolder || dropped.length > this.useful.length) {
      this.release(stream);
      const remedy = "Drop one file for each recording; pack the frames of a folder into a zip first.";
      this.stages[stream].setProblem("", new Problem("These are not one file", remedy));
      return;
    }
    /** @type {Files} */
    const assigned = { [stream]: dropped[0] };
    if (dropped.length === 2) {
      // Two at once: their names say which is which, else the first is for where it was dropped.
      const depth = dropped.findIndex((file) => /depth/i.test(file.name));
      const first = depth === -1 ? (stream === "depth" ? 1 : 0) : 1 - depth;
      [assigned.rgb, assigned.depth] = [dropped[first], dropped[1 - first]];
    }
    const files = /** @type {[StreamName, File][]} */ (Object.entries(assigned));
    for (const [name, file] of files) this.load(name, file);
  }

  /**
   * @param {StreamName} stream
   * @param {File} file
   */
  async load(stream, file) {
    const before = this.#depthFile;
    this.release(stream);
    this.#files[stream] = file;
    if (before && before !== file && before !== this.#depthFile) this.depthReplaced();
    this.stages[stream].setLoading(file.name);
    this.changed();
    if (this.model === null) return; // `use` reads it when the service has said what it serves
    const signal = this.#requests.begin(stream);
    try {
      const read = await preview(this.#request({ [stream]: file }), signal);
      if (!read[stream]) throw new Problem("This is a depth recording", IS_DEPTH);
      for (const other of streamsOf(read)) if (other !== stream) this.release(other); // the file has both tracks
      await this.#show(read, signal);
      if (this.#needAligning(read)) await this.#align(signal);
      this.changed();
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.#hide(stream);
      this.stages[stream].setProblem(file.name, problem, () => this.load(stream, file));
      this.changed();
      if (problem.isDown) this.lost(problem);
    }
  }

  /**
   * Whether two files are there that belong together otherwise than frame by frame, or that are to be cut: which frames
   * those are, and where people are in colour, shows in both only.
   *
   * @param {PreviewReply} read
   */
  #needAligning({ preparation }) {
    const { rgb, depth } = this.previews;
    if (!rgb || !depth || !this.#files.depth) return false;
    const isSameRate = rgb.fps && depth.fps ? Math.abs(rgb.fps / depth.fps - 1) < SAME_RATE : rgb.fps === depth.fps;
    return rgb.num_frames !== depth.num_frames || !isSameRate || preparation?.decided_by !== "bundle";
  }

  /** @param {AbortSignal} signal */
  async #align(signal) {
    const both = AbortSignal.any([signal, this.#requests.begin("both")]);
    this.isAligning = true;
    this.changed();
    try {
      await this.#show(await preview(this.clip, both), both);
    } finally {
      this.isAligning = false;
    }
  }

  /**
   * @param {PreviewReply} read
   * @param {AbortSignal} signal
   */
  #show(read, signal) {
    const shown = streamsOf(read).map(async (stream) => {
      const stage = this.stages[stream];
      const frames = /** @type {StreamPreview} */ (read[stream]);
      await this.player.load(stream, frames, stage.canvas, (index) => stage.overlay.draw(index));
      signal.throwIfAborted(); // by another file, while the pictures were decoded
      const file = /** @type {File} */ (this.#files[stream] ?? this.#files.rgb);
      stage.setReady(file.name, frames);
      this.previews[stream] = frames;
      this.preparation = read.preparation ?? null;
    });
    return Promise.all(shown);
  }

  /**
   * Forget a stream's file; where it stood for both streams, the other one's pictures go with it.
   *
   * @param {StreamName} stream
   */
  release(stream) {
    const stoodForBoth = stream === "rgb" && this.previews.depth && !this.#files.depth;
    delete this.#files[stream];
    for (const name of stoodForBoth ? STREAMS : [stream]) this.#hide(name);
    this.changed();
  }

  /** @param {StreamName} stream */
  #hide(stream) {
    this.#requests.abort(stream);
    this.#requests.abort("both");
    this.preparation = null;
    this.player.unload(stream);
    this.stages[stream].setEmpty();
    delete this.previews[stream];
  }

  /**
   * @param {Files} files
   * @returns {ClipRequest}
   */
  #request(files) {
    return { model: /** @type {Model} */ (this.model), files, meta: this.told() };
  }
}

/** @param {Previews} read */
function streamsOf(read) {
  return STREAMS.filter((stream) => read[stream]);
}
