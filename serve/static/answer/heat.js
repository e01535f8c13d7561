// Paints how much each part of the picture mattered, smooth between the parts' centres.

import { contextOf } from "../elements/dom.js";

/** @import { Box } from "../types.d.ts" */

const GLOW = [[196, 58, 16], [255, 140, 26], [255, 232, 120]]; // little, more, most; recording.css has it as a legend
const OPACITY = 0.9;
const UNSEEN = "rgb(0 0 0 / 55%)"; // what lies outside the box never reached the network

/**
 * Paint on `canvas`, which lies over a picture. `box` is the part of the picture that `regions` divide into rows and
 * columns, as fractions. Only what is above 0 glows, the largest most.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number[][]} regions
 * @param {Box} box
 */
export function paintHeat(canvas, regions, box) {
  const context = contextOf(canvas);
  const [x0, x1] = [box[0], box[2]].map((x) => Math.round(x * canvas.width));
  const [y0, y1] = [box[1], box[3]].map((y) => Math.round(y * canvas.height));
  context.fillStyle = UNSEEN;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const most = Math.max(...regions.flat());
  const image = context.createImageData(x1 - x0, y1 - y0);
  for (let y = 0; most > 0 && y < image.height; y++) {
    for (let x = 0; x < image.width; x++) {
      const loss = interpolate(regions, (x + 0.5) / image.width, (y + 0.5) / image.height);
      image.data.set(glow(Math.max(0, loss) / most), 4 * (y * image.width + x));
    }
  }
  context.putImageData(image, x0, y0);
}

/**
 * The value at x, y in [0, 1]: linear between the cells' centres, level beyond the outermost.
 *
 * @param {number[][]} regions
 * @param {number} x
 * @param {number} y
 */
function interpolate(regions, x, y) {
  const [row, below, down] = neighbours(y, regions.length);
  const [column, right, along] = neighbours(x, regions[0].length);
  const across = (/** @type {number[]} */ cells) => mix(cells[column], cells[right], along);
  return mix(across(regions[row]), across(regions[below]), down);
}

/**
 * @param {number} share
 * @param {number} count
 */
function neighbours(share, count) {
  const place = Math.min(count - 1, Math.max(0, share * count - 0.5));
  const before = Math.floor(place);
  return [before, Math.min(count - 1, before + 1), place - before];
}

/** @param {number} share */
function glow(share) {
  const place = share * (GLOW.length - 1);
  const step = Math.min(GLOW.length - 2, Math.floor(place));
  const color = GLOW[step].map((channel, index) => mix(channel, GLOW[step + 1][index], place - step));
  return [...color, 255 * OPACITY * share];
}

/**
 * @param {number} a
 * @param {number} b
 * @param {number} share
 */
const mix = (a, b, share) => a + (b - a) * share;
