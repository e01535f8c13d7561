// The key of a service that asks for one: kept until the window closes, sent as a header, never part of an address.

const STORE = "rgbd-motion-key";
const FORM = `
  <form method="dialog">
    <h2 id="key-title">This service asks for a key</h2>
    <p>Its owner hands them out. The key stays in this window until you close it.</p>
    <label for="key">Key</label>
    <input id="key" type="password" autocomplete="off" spellcheck="false" required pattern="\\s*[!-~]+\\s*"
      title="letters, digits and signs, no spaces" aria-describedby="key-refused">
    <p class="refused" id="key-refused" role="alert"></p>
    <div class="buttons">
      <button type="button" value="">Cancel</button>
      <button class="primary">Continue</button>
    </div>
  </form>`;

/** @type {Promise<boolean> | undefined} */
let pending; // everybody who needs the key waits for the same answer

export const storedKey = () => sessionStorage.getItem(STORE);
export const forgetKey = () => sessionStorage.removeItem(STORE);

/**
 * Resolves to whether there is another key than `refused`, which is null where none was sent.
 *
 * @param {string | null} refused
 */
export function askForKey(refused) {
  if (storedKey() !== refused) return Promise.resolve(true);
  const reason = refused === null ? "" : "This service does not know that key. Check that all of it was copied.";
  pending ??= openDialog(reason).finally(() => (pending = undefined));
  return pending;
}

/**
 * @param {string} reason
 * @returns {Promise<boolean>}
 */
function openDialog(reason) {
  const dialog = document.createElement("dialog");
  dialog.className = "key";
  dialog.setAttribute("aria-labelledby", "key-title");
  dialog.innerHTML = FORM;
  document.body.append(dialog);
  const inside = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));
  inside("[type=button]").addEventListener("click", () => dialog.close(""));
  inside("form").addEventListener("submit", () => {
    sessionStorage.setItem(STORE, /** @type {HTMLInputElement} */ (inside("input")).value.trim());
    dialog.returnValue = "given";
  });
  dialog.showModal();
  inside("[role=alert]").textContent = reason; // said only when it changes in sight
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "given");
    });
  });
}
