// Uses the service's JavaScript client as a program does, and prints as JSON what came back: test_javascript.py reads it.
// node use_client.mjs MODULE ADDRESS KEY RGB DEPTH

import { openAsBlob } from "node:fs";
import { createServer } from "node:http";

const [module, address, key, rgbPath, depthPath] = process.argv.slice(2);
const { Client, LiveStream, ServiceProblem } = await import(module);
const found = {};
const recording = { rgb: await openAsBlob(rgbPath), depth: await openAsBlob(depthPath) };

const client = new Client({ address, key });
found.models = await client.models();
found.details = await client.describe(found.models[0]);
found.answer = await client.predict(recording, { query: { top_k: 2 } });
found.windows = (await client.predict(recording, { query: { windows: 2 }, meta: { fps: 10, depth_fps: 10 } })).windows;
found.timeline = await client.timeline(recording, { query: { window_s: 0.5 }, meta: { fps: 10, depth_fps: 10 } });
found.preview = await client.preview(recording);

found.refused = await problemOf(client.predict({ rgb: new Blob(["no video"]) }));
found.unreachable = await problemOf(new Client({ address: "http://127.0.0.1:9" }).models());
const refusedKeys = [];
let mine = null;
const asking = new Client({
  address,
  key: () => mine,
  onRefusedKey: async (refused) => {
    refusedKeys.push(refused);
    mine = mine === null ? "wrong" : key;
    return true;
  },
});
found.models_by_keys = await asking.models();
found.refused_keys = refusedKeys;
found.without_key = await problemOf(new Client({ address }).models());
found.aborted = await client.predict(recording, { signal: AbortSignal.abort() }).catch(({ name }) => name);

let calls = 0;
const busy = createServer((request, response) => {
  calls += 1;
  const isBusy = calls < 3 || request.url.startsWith("/lab/admin");
  const body = isBusy ? { error: "overloaded", detail: "later" } : { models: [] };
  response.writeHead(isBusy ? 503 : 200, { "Retry-After": "0" }).end(JSON.stringify(body));
});
await new Promise((resolve) => busy.listen(0, "127.0.0.1", resolve));
const patient = new Client({ address: `http://127.0.0.1:${busy.address().port}/lab`, numRetries: 2 });
found.at_last = await patient.models();
found.calls = calls;
found.overloaded = await problemOf(patient.state());
found.more_calls = calls - found.calls;
busy.close();

const size = [64, 48];
const stream = await client.live({ streams: { rgb: { size }, depth: { size } }, window_s: 1, top_k: 1 });
found.live = [];
stream.listen((said) => found.live.push(said));
const red = new Uint8Array(3 * 64 * 48).map((_, index) => (index % 3 === 0 ? 200 : 0));
const depth = new Uint16Array(64 * 48).fill(1500);
for (let frame = 0; frame < 40; frame++) {
  stream.send({ stream: "rgb", timeS: frame / 20, encoding: "raw", pixels: red.buffer });
  stream.send({ stream: "depth", timeS: frame / 20, encoding: "raw", pixels: depth.buffer });
  await new Promise((resolve) => setTimeout(resolve, 20));
}
stream.end();
await stream.ended;
found.ready = stream.ready;
found.no_stream = await problemOf(LiveStream.open({ address, key, hello: { streams: {} } }));

console.log(JSON.stringify(found));

async function problemOf(answer) {
  try {
    return { answered: await answer };
  } catch (error) {
    const { status, word, message, problem, retryAfterS } = error;
    return { ours: error instanceof ServiceProblem, status, word, message, title: problem?.title, retryAfterS };
  }
}
