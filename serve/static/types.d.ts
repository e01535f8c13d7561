// The types that the page's JavaScript names in its comments; no browser reads this file.

import type { ClipMeta, Model, StreamName } from "./client/wire.d.ts";

export type * from "./client/wire.d.ts";

export type Files = Partial<Record<StreamName, File>>;

export interface ClipRequest {
  model: Model;
  files: Files;
  meta: ClipMeta;
}

export interface Action {
  label: string;
  run: () => void;
}
