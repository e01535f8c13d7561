// The recordings on the stages: which file stands for which stream, and what the service could read of it.

import { Problem } from "../elements/problem.js";
import { Requests } from "../service/requests.js";
import { preview } from "../service/service.js";

/** @import { Player } from "./player.js" */
/** @import { Stage } from "./stage.js" */
/** @import { ClipRequest, Files, Model, Previews, StreamName, StreamPreview } from "../types.d.ts" */

const STREAMS = /** @type {const} */ (["rgb", "depth"]);

export class Recordings {
  /** @type {Model | null} */
  model = null; // the one that is asked
  /** @type {readonly StreamName[]} */
  needed = STREAMS; // those that it takes
  depthScale = 1; // millimetres of one unit
  /** @type {Previews} */
  previews = {}; // stream -> what the service could read of it
  /** @type {Files} */
  #files = {}; // stream -> the File chosen for it
  #requests = new Requests();

  /**
   * `changed()` is called when there is more or less on the stages, `lost(problem)` when the service is gone, or the
   * model.
   *
   * @param {Record<StreamName, Stage>} stages
   * @param {Player} player
   * @param {{ changed: () => void, lost: (problem: Problem) => void }} callbacks
   */
  constructor(stages, player, { changed, lost }) {
    this.stages = stages;
    this.player = player;
    this.changed = changed;
    this.lost = lost;
  }

  get missing() {
    return this.needed.filter((stream) => !this.previews[stream]);
  }

  /** What a request about the recordings sends: what is on the stages. One file may stand for both streams. */
  get clip() {
    const chosen = this.needed.filter((stream) => this.#files[stream] && this.previews[stream]);
    return this.#request(Object.fromEntries(chosen.map((stream) => [stream, this.#files[stream]])));
  }

  /**
   * Ask `model` from now on; what is on the stages is read again for it.
   *
   * @param {Model} model
   */
  use(model) {
    this.model = model;
    this.needed = model.modality === "rgbd" ? STREAMS : [model.modality];
    for (const stream of STREAMS) {
      this.stages[stream].show(this.needed.includes(stream));
      this.#hide(stream);
    }
    this.changed();
    this.#readAgain(this.needed);
  }

  /** Its unit is another one than before. */
  readDepthAgain() {
    if (this.previews.depth || this.#files.depth) this.#readAgain([this.#files.depth ? "depth" : "rgb"]);
  }

  /** @param {readonly StreamName[]} streams */
  #readAgain(streams) {
    for (const stream of streams) {
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
    if (hasFolder || dropped.length > this.needed.length) {
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
    this.release(stream);
    this.#files[stream] = file;
    this.stages[stream].setLoading(file.name);
    if (this.model === null) return; // `use` reads it when the service has said what it serves
    const signal = this.#requests.begin(stream);
    try {
      const read = await preview(this.#request({ [stream]: file }), signal);
      for (const other of streamsOf(read)) if (other !== stream) this.release(other); // the file has both tracks
      await this.#show(read, signal);
      if (this.#needAligning()) await this.#show(await preview(this.clip, signal), signal);
      this.changed();
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.#hide(stream);
      this.stages[stream].setProblem(file.name, problem, () => this.load(stream, file));
      if (problem.isDown) this.lost(problem);
    }
  }

  /** Whether two files that differ in length or rate are there: which frames belong together shows in both only. */
  #needAligning() {
    const { rgb, depth } = this.previews;
    return rgb && depth && this.#files.depth && (rgb.num_frames !== depth.num_frames || rgb.fps !== depth.fps);
  }

  /**
   * @param {Previews} read
   * @param {AbortSignal} signal
   */
  #show(read, signal) {
    const shown = streamsOf(read).map(async (stream) => {
      const stage = this.stages[stream];
      const frames = /** @type {StreamPreview} */ (read[stream]);
      await this.player.load(stream, frames, stage.canvas);
      signal.throwIfAborted(); // by another file, while the pictures were decoded
      const file = /** @type {File} */ (this.#files[stream] ?? this.#files.rgb);
      stage.setReady(file.name, frames);
      this.previews[stream] = frames;
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
    this.player.unload(stream);
    this.stages[stream].setEmpty();
    delete this.previews[stream];
  }

  /**
   * @param {Files} files
   * @returns {ClipRequest}
   */
  #request(files) {
    return { model: /** @type {Model} */ (this.model), files, depthScale: this.depthScale };
  }
}

/** @param {Previews} read */
function streamsOf(read) {
  return STREAMS.filter((stream) => read[stream]);
}
