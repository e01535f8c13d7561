// Plays the previews of all streams in step, each on its own canvas.

const FALLBACK_FPS = 30;

export class Player {
  /** `controls`: the elements `play`, `seek` and `clock`. */
  constructor(controls) {
    this.controls = controls;
    this.tracks = new Map();
    this.position = 0; // in [0, 1) of the clip
    this.playing = false;
    this.durationS = 0;
    controls.play.addEventListener("click", () => this.toggle());
    controls.seek.addEventListener("input", () => this.seek(controls.seek.value / 1000));
  }

  /** Show `preview` (an answer of POST /preview, for one stream) on `canvas`. */
  async load(stream, preview, canvas) {
    const images = await Promise.all(preview.frames.map(decode));
    canvas.width = images[0].naturalWidth;
    canvas.height = images[0].naturalHeight;
    this.tracks.set(stream, { images, context: canvas.getContext("2d"), shown: -1, preview });
    this.#refresh();
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.position = 0;
    if (!this.playing && !calm) this.toggle();
    this.#draw();
  }

  unload(stream) {
    this.tracks.delete(stream);
    this.#refresh();
    if (this.tracks.size === 0 && this.playing) this.toggle();
  }

  toggle() {
    this.playing = !this.playing;
    this.controls.play.dataset.playing = this.playing;
    this.controls.play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.lastTime = null;
    if (this.playing) requestAnimationFrame((time) => this.#tick(time));
  }

  seek(position) {
    if (this.playing) this.toggle();
    this.position = Math.min(position, 0.9999);
    this.#draw();
  }

  #refresh() {
    const seconds = [...this.tracks.values()].map(({ preview }) => preview.num_frames / (preview.fps ?? FALLBACK_FPS));
    // A stream without a frame rate (a zip) plays as long as the one that knows its own.
    const known = [...this.tracks.values()].filter(({ preview }) => preview.fps);
    this.durationS = known.length ? known[0].preview.num_frames / known[0].preview.fps : Math.max(0, ...seconds);
    this.controls.play.disabled = this.controls.seek.disabled = this.tracks.size === 0;
    if (this.tracks.size === 0) this.controls.clock.textContent = "–";
  }

  #tick(time) {
    if (!this.playing) return;
    if (this.lastTime !== null) this.position = (this.position + (time - this.lastTime) / 1000 / this.durationS) % 1;
    this.lastTime = time;
    this.#draw();
    requestAnimationFrame((next) => this.#tick(next));
  }

  #draw() {
    for (const track of this.tracks.values()) {
      const index = Math.floor(this.position * track.images.length);
      if (index !== track.shown) track.context.drawImage(track.images[index], 0, 0);
      track.shown = index;
    }
    const seconds = (this.position * this.durationS).toFixed(1);
    const clock = `${seconds} / ${this.durationS.toFixed(1)} s`;
    if (this.tracks.size && this.controls.clock.textContent !== clock) {
      this.controls.clock.textContent = clock;
      this.controls.seek.setAttribute("aria-valuetext", `${seconds} of ${this.durationS.toFixed(1)} seconds`);
    }
    this.controls.seek.value = Math.round(this.position * 1000);
  }
}

async function decode(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return image;
}
