/** Reading the JSON of a run: nothing in it is trusted, so each value is asked for by kind and cut to size. */

export const RUN_MIME = 'application/vnd.nbmlops.run.v1+json';

export type Fields = Record<string, unknown>;

const MAX_TEXT = 300;
const MAX_ERROR = 4000;

/** A run as the card and the panel show it: strings only, in order. */
export interface IRun {
  readonly id: string;
  readonly name: string;
  readonly experiment: string;
  readonly kind: string;
  readonly status: string;
  readonly cause: string;
  readonly startedAt: string;
  readonly duration: string;
  readonly cellId: string;
  readonly summary: [string, string][];
  readonly params: [string, string][];
  readonly defaults: [string, string][];
  readonly tags: [string, string][];
  readonly datasets: string[][];
  readonly models: string[][];
  readonly artifacts: string[][];
  readonly commit: string;
  readonly dirty: boolean;
  readonly error: string;
  readonly traceback: string;
}

/** Return the run in some JSON, or null when it is none. */
export function readRun(json: unknown): IRun | null {
  const data = fields(json);
  if (typeof data.run_id !== 'string' || typeof data.status !== 'string') {
    return null;
  }
  const params = records(data.params);
  const git = fields(data.git);
  const error = fields(data.error);
  return {
    id: text(data.run_id),
    name: text(data.name ?? data.experiment),
    experiment: text(data.experiment),
    kind: text(data.kind),
    status: text(data.status),
    cause: text(data.cause),
    startedAt: text(data.started_at),
    duration: duration(data.duration_s),
    cellId: text(data.cell_id),
    summary: pairs(data.summary),
    params: params.filter(p => p.origin !== 'default').map(named),
    defaults: params.filter(p => p.origin === 'default').map(named),
    tags: pairs(data.tags),
    datasets: records(data.datasets).map(d => [
      text(d.name),
      quantity(d.rows),
      quantity(list(d.columns).length),
      text(d.fingerprint).slice(0, 12)
    ]),
    models: records(data.models).map(m => [text(m.name), text(m.estimator)]),
    artifacts: records(data.artifacts).map(a => [text(a.name), bytes(a.size_bytes)]),
    commit: text(git.commit).slice(0, 8),
    dirty: git.dirty === true,
    error: [text(error.name), text(error.message)].filter(Boolean).join(': '),
    traceback: text(error.traceback, MAX_ERROR)
  };
}

/** Return a number as people read it: four significant digits. */
export function quantity(value: unknown): string {
  if (typeof value !== 'number') {
    return value === null || value === undefined ? '–' : text(value);
  }
  if (!Number.isFinite(value)) {
    return String(value);
  }
  const whole = Number.isInteger(value) || Math.abs(value) >= 1000;
  return whole ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(4)));
}

/** Return a duration as people read it. */
export function duration(value: unknown): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return '';
  }
  if (value < 1) {
    return `${Math.round(value * 1000)} ms`;
  }
  if (value < 60) {
    return `${value.toFixed(1)} s`;
  }
  const seconds = Math.round(value);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

/** Return any value as one cut text; control and direction-changing characters become visible marks. */
export function text(value: unknown, limit = MAX_TEXT): string {
  if (value === null || value === undefined) {
    return '';
  }
  const whole = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const cut = whole.length > limit ? `${whole.slice(0, limit)}…` : whole;
  return cut.replace(/[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function records(value: unknown): Fields[] {
  return list(value).map(fields);
}

function pairs(value: unknown): [string, string][] {
  return Object.entries(fields(value)).map(([key, item]) => [text(key), quantity(item)]);
}

function named(item: Fields): [string, string] {
  return [text(item.name), quantity(item.value)];
}

function bytes(value: unknown): string {
  const size = typeof value === 'number' ? value : NaN;
  if (!Number.isFinite(size)) {
    return '';
  }
  return size < 1000 ? `${size} B` : size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}
