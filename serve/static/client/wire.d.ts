// What goes over the wire, as the client's JavaScript names it in its comments; no browser reads this file.

export type StreamName = "rgb" | "depth";

/* ---- what the service answers: serve/schemas.py says what each field means ---- */

export interface Model {
  name: string;
  version: string;
  modality: StreamName | "rgbd";
  runtime: string;
  device: string;
  precision: string;
}

export interface ModelDetails extends Model {
  clip_spec: { depth: { mode: string } | null };
  preparation?: { roi: string; masks: string } | null;
  alone?: StreamName[];
  clip_s?: number | null;
}

export interface Score {
  label: string;
  index: number;
  score: number;
}

export interface Clip {
  rgb_frames: number | null;
  depth_frames: number | null;
  duration_s: number | null;
}

export type Timing = Record<string, number>;

export interface Named {
  predictions: Score[];
  known?: boolean | null;
  confidence?: number | null;
}

export interface Person extends Named {
  person: number;
}

export interface Part extends Named {
  start: number;
  end: number;
}

export interface Answer extends Named {
  people?: Person[];
  windows?: Part[];
  streams?: Partial<Record<StreamName, Score[]>>;
  clip: Clip;
  timing_ms?: Timing;
  warnings?: string[];
}

export type Box = [x0: number, y0: number, x1: number, y1: number];

export interface Explanation {
  label: string;
  box: Box;
  regions: number[][];
  moments: number[];
}

export interface StreamPreview {
  num_frames: number;
  fps: number | null;
  sampled: number[];
  frames?: string[];
  near_mm?: number | null;
  far_mm?: number | null;
  likely_scale_mm?: number | null;
  views?: View[];
}

export interface View {
  person: number | null;
  cut: Box[];
  seen: Box[];
  outlines?: [x: number, y: number][][][];
}

export interface PreviewPreparation {
  was_prepared: boolean;
  decided_by: string;
  num_people: number | null;
  person: number | null;
}

export type Previews = Partial<Record<StreamName, StreamPreview | null>>;
export type PreviewReply = Previews & { preparation?: PreviewPreparation };

/* What a request may say: ClipMeta. */
export type ClipMeta = Record<string, number | boolean | string | Record<string, number>>;

export interface ModelState {
  name: string;
  version: string;
  state: "READY" | "LOADING" | "UNAVAILABLE";
  reason: string;
  modality: Model["modality"] | null;
  runtime: string | null;
  device: string | null;
  precision: string | null;
  clips: number | null;
  batches: number | null;
  mean_ms: number | null;
  queue_mean_ms: number | null;
}

export interface ServiceState {
  version: string;
  uptime_s: number;
  draining: boolean;
  in_flight: number;
  queue_clips: number;
  memory_mb: number;
  settings: Record<string, string>;
  refusals: Record<string, number>;
  models: ModelState[];
}

export interface Refusal {
  error?: string;
  title?: string;
  detail?: string;
  request_id?: string;
}

export interface Timeline {
  duration_s: number;
  window_s: number;
  step_s: number;
  person: number | null;
  box_px: Box | null;
  events: MotionEvent[];
  windows: Part[];
  warnings: string[];
}

export interface MotionEvent {
  label: string;
  index: number;
  start_s: number;
  end_s: number;
  score: number;
  confidence: number | null;
  is_over: boolean;
}

/* ---- what is asked ---- */

/* Its files by stream; one file with both streams, such as a camera's own, is given as rgb. */
export type Recording = Partial<Record<StreamName, Blob>>;

/* `query` is for the address, such as model, top_k, windows; `meta` is said of the recording: ClipMeta. */
export interface Asked {
  query?: Record<string, string | number | boolean>;
  meta?: ClipMeta;
  signal?: AbortSignal;
}

/* ---- what is said over /live: serve/live/messages.py says what each field means ---- */

export interface LiveHello {
  streams: Partial<Record<StreamName, { size: [width: number, height: number] }>>;
  model?: string;
  version?: string;
  window_s?: number;
  every?: number;
  top_k?: number;
  people?: "largest" | "nearest" | "all" | "whole" | number;
}

export interface LiveFrame {
  stream: StreamName;
  timeS: number;
  encoding: "raw" | "jpeg" | "png" | "zstd";
  pixels: ArrayBuffer;
}

export interface LiveReady {
  type: "ready";
  window_s: number;
  interval_s: number;
  step_s: number;
  lag_s: number;
}

export interface LiveView {
  type: "view";
  time_s: number;
  is_waiting: boolean;
  num_people: number | null;
  person: number | null;
  box_px: Box | null;
  was_prepared: boolean;
  warnings: string[];
}

export interface LiveAnswer {
  type: "answer";
  predictions: Score[];
  known: boolean | null;
  start_s: number;
  end_s: number;
  lag_ms: number;
  dropped: { late: number; unpaired: number };
}

export interface LiveEvent {
  type: "event";
  label: string;
  index: number;
  start_s: number;
  end_s: number;
  score: number;
  is_over: boolean;
}

export type LiveSaid =
  | LiveView
  | LiveAnswer
  | LiveEvent
  | { type: "draining"; within_s: number }
  | { type: "ended"; frames: number; answers: number };
