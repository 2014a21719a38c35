/** Reading the JSON of a run: nothing in it is trusted, so each value is asked for by kind and cut to size. */

export const RUN_MIME = 'application/vnd.nbmlops.run.v1+json';

export type Fields = Record<string, unknown>;

const MAX_TEXT = 300;
const MAX_ERROR = 4000;
const TOLD = ['issue', 'warning'];
const LOWER = /loss|error|deviance|rmse|(?:^|_)(?:mse|mae|mape|brier|hamming|perplexity)(?:_|$)/i; // as in summary.py

/** What was found about a run, worth a warning or an issue. */
export interface IFinding {
  readonly outcome: string;
  readonly message: string;
  readonly code: string;
}

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
  readonly changes: ReadonlyMap<string, string>;
  readonly curves: ReadonlyMap<string, number[]>;
  readonly findings: IFinding[];
  readonly kept: string;
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
    summary: headlines(fields(data.summary)),
    changes: changes(fields(data.summary), fields(data.beside)),
    curves: curves(records(data.metrics)),
    findings: records(data.findings)
      .map(f => ({ outcome: text(f.outcome), message: text(f.message), code: text(f.code) }))
      .filter(f => TOLD.includes(f.outcome)),
    kept: kept(fields(data.kept)),
    params: params.filter(p => p.origin !== 'default').map(named),
    defaults: params.filter(p => p.origin === 'default').map(named),
    tags: pairs(data.tags),
    datasets: records(data.datasets).map(d => [
      text(d.name),
      d.strength === 'full' || d.strength === undefined ? quantity(d.rows) : `${quantity(d.rows)} (${text(d.strength)})`,
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

/** Every metric once, on other contexts only where it has no headline; nothing of the machine. */
function headlines(summary: Fields): [string, string][] {
  const known = Object.keys(summary);
  return known
    .filter(name => !name.startsWith('system.'))
    .filter(name => !name.includes('[') || !known.includes(name.slice(0, name.indexOf('['))))
    .map(name => [text(name).replace('[origin=inferred]', ' (inferred)'), quantity(summary[name])]);
}

/** Say of each metric how it differs from the repeat before, and from the best of its experiment. */
function changes(summary: Fields, beside: Fields): Map<string, string> {
  const [previous, best] = [fields(beside.previous), fields(beside.best)];
  const found = new Map<string, string>();
  for (const [name, value] of Object.entries(summary)) {
    const told = typeof value === 'number' ? [changed(value, previous[name]), ranked(name, value, best[name])] : [];
    if (told.some(Boolean)) {
      found.set(text(name), told.filter(Boolean).join(', '));
    }
  }
  return found;
}

function changed(value: number, before: unknown): string {
  if (typeof before !== 'number' || before === value) {
    return '';
  }
  return `${value > before ? '+' : '−'}${quantity(Math.abs(value - before))}`;
}

function ranked(name: string, value: number, best: unknown): string {
  if (typeof best !== 'number') {
    return '';
  }
  const lower = LOWER.test(name) && !name.startsWith('neg_');
  const ahead = lower ? value < best : value > best;
  return ahead ? 'new best' : value === best ? 'as the best' : `best ${quantity(best)}`;
}

/** The values of each metric that was logged several times, as they went. */
function curves(metrics: Fields[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const metric of metrics) {
    const values = list(metric.curve).filter((v): v is number => typeof v === 'number' && Number.isFinite(v));
    if (values.length > 1 && !Object.keys(fields(metric.context)).length) {
      found.set(text(metric.name), values.slice(0, MAX_TEXT));
    }
  }
  return found;
}

/** Say what became of the model's file. */
function kept(data: Fields): string {
  if (data.why_not) {
    return `not saved: ${text(data.why_not)}`;
  }
  return data.name ? `saved in ${duration(data.took_s)}` : '';
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
