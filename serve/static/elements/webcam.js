// The camera of whoever looks at the page.

import { Problem } from "./problem.js";

const WANTED = { video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } }, audio: false };
/** @type {Record<string, [title: string, remedy: string]>} */
const PROBLEMS = {
  NotAllowedError: ["The camera may not be used", "Allow this page to use it, at the browser's address bar."],
  NotReadableError: ["The camera is in use", "Close the program that has it."],
};

/**
 * What it sees, after the person has allowed that; raises a `Problem`, which offers to try again.
 *
 * `instead`: what can be done without a camera, such as "drop a recording."
 *
 * @param {string} instead
 * @returns {Promise<MediaStream>}
 */
export async function openWebcam(instead) {
  try {
    if (!navigator.mediaDevices) throw new DOMException("Browsers keep cameras from pages of plain http.");
    return await navigator.mediaDevices.getUserMedia(WANTED);
  } catch (error) {
    /** @type {Record<string, [title: string, remedy: string]>} */
    const problems = { ...PROBLEMS, NotFoundError: ["There is no camera", `Connect one, or ${instead}`] };
    const [title, remedy] = problems[error.name] ?? ["The camera does not work", error.message];
    throw new Problem(title, remedy, { retry: "Try again" });
  }
}

/** @param {MediaStream | null} stream */
export function letGo(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}
