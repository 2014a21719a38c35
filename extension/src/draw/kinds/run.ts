/** A run as a card: what it was, how it ended, what was measured, set, read and made. */

import {
  Content,
  dotted,
  facts,
  findings,
  fold,
  folded,
  IWords,
  moment,
  node,
  pairs,
  quiet,
  status,
  table,
  worst
} from '../nodes';
import { sparkline } from '../plot';
import { bytes, duration, Fields, fields, list, number, numbers, quantity, records, text } from '../values';

const MOST_ERROR = 4000;
const MOST_POINTS = 300;
const TOLD = ['issue', 'warning'];
const LOWER = /loss|error|deviance|rmse|(?:^|_)(?:mse|mae|mape|brier|hamming|perplexity)(?:_|$)/i; // as in summary.py

/** Draw a run. */
export function run(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  if (typeof data.run_id !== 'string' || typeof data.status !== 'string') {
    return quiet(trans.__('This is not a run nbmlops knows how to show. A newer nbmlops may.'));
  }
  const name = text(data.name) || text(data.experiment) || trans.__('a run');
  const made = node('article', 'nbmlops-card', header(name, data), about(name, data, trans));
  made.setAttribute('aria-label', trans.__('Run %1', name));
  const error = fields(data.error);
  const said = [text(error.name), text(error.message, MOST_ERROR)].filter(Boolean).join(': ');
  if (said) {
    made.append(node('p', 'nbmlops-error', said));
  }
  made.append(
    ...findings(
      worst(data.findings).filter(f => TOLD.includes(text(f.outcome))),
      trans
    )
  );
  made.append(columns(data, trans), ...folds(data, trans));
  return made;
}

/** Every metric's name once, on other contexts only where it has no headline; nothing of the machine. */
export function headlines(names: string[]): string[] {
  const known = new Set(names);
  return names
    .filter(name => !name.startsWith('system.'))
    .filter(name => !name.includes('[') || !known.has(name.slice(0, name.indexOf('['))));
}

/** Tell by its name whether a metric is better when it is lower. */
export function lowerIsBetter(metric: string): boolean {
  return LOWER.test(metric) && !metric.startsWith('neg_');
}

/** Return a metric's name for people. */
export function metricName(name: string): string {
  return text(name).replace('[origin=inferred]', ' (inferred)');
}

function header(name: string, data: Fields): HTMLElement {
  const cause = text(data.cause);
  const state = status(text(data.status), cause === 'error' ? '' : cause);
  return node('header', 'nbmlops-head', node('strong', 'nbmlops-name', name), state);
}

function about(name: string, data: Fields, trans: IWords): HTMLElement {
  const [experiment, git] = [text(data.experiment), fields(data.git)];
  const commit = text(git.commit).slice(0, 8);
  const models = records(data.models, 5).map(m => `${text(m.name)} = ${text(m.estimator)}`);
  return dotted(
    experiment && experiment !== name ? trans.__('experiment %1', experiment) : '',
    data.started_at ? moment(data.started_at) : '',
    duration(data.duration_s),
    trans.__('run %1', text(data.run_id).slice(-6)),
    commit && (git.dirty === true ? trans.__('commit %1, changed since', commit) : trans.__('commit %1', commit)),
    planned(fields(data.planned), trans),
    ...models,
    kept(fields(data.kept), trans)
  );
}

/** Say which of the planned runs of its experiment it is. */
function planned(plan: Fields, trans: IWords): string {
  const [run, done, of] = [number(plan.run), number(plan.done), number(plan.of)];
  if (of === null) {
    return '';
  }
  return done !== null && done > of
    ? trans.__('%1 runs of %2 planned', quantity(done), quantity(of))
    : trans.__('run %1 of %2 planned', quantity(run ?? done), quantity(of));
}

/** Say what became of the model's file. */
function kept(data: Fields, trans: IWords): string {
  if (data.why_not) {
    return trans.__('not saved: %1', text(data.why_not));
  }
  return data.name ? trans.__('saved in %1', duration(data.took_s)) : '';
}

/** The two tables people look for first, side by side where there is room. */
function columns(data: Fields, trans: IWords): HTMLElement {
  const made = node('div', 'nbmlops-columns');
  const params = records(data.params).filter(p => p.origin !== 'default');
  const measured = metrics(data, trans);
  if (measured) {
    made.append(measured);
  }
  if (params.length) {
    made.append(table([trans.__('Param'), trans.__('Value')], params.map(exact), trans));
  }
  return made;
}

/** Metrics: name, value with how it went, and how it compares; the last only where anything does. */
function metrics(data: Fields, trans: IWords): HTMLElement | null {
  const summary = fields(data.summary);
  const names = headlines(Object.keys(summary));
  const [beside, drawn] = [fields(data.beside), curves(records(data.metrics))];
  const changes = names.map(name => changed(name, summary[name], beside, trans));
  const compared = changes.some(Boolean);
  const rows = names.map((name, i) => {
    const value = quantity(summary[name]);
    const curve = drawn.get(name);
    const shown = curve ? node('span', 'nbmlops-curve', value, ' ', sparkline(curve, text(name))) : value;
    return [metricName(name), shown, ...(compared ? [changes[i]] : [])];
  });
  const heads = [trans.__('Metric'), trans.__('Value'), ...(compared ? [trans.__('Change')] : [])];
  return rows.length ? table(heads, rows, trans) : null;
}

/** Say how a metric differs from the repeat before, and from the best of its experiment. */
function changed(name: string, value: unknown, beside: Fields, trans: IWords): string {
  const known = number(value);
  const before = number(fields(beside.previous)[name]);
  const best = number(fields(beside.best)[name]);
  const told: string[] = [];
  if (known !== null && before !== null && before !== known) {
    told.push(`${known > before ? '+' : '−'}${quantity(Math.abs(known - before))}`);
  }
  if (known !== null && best !== null) {
    const ahead = lowerIsBetter(name) ? known < best : known > best;
    const same = trans.__('as the best');
    told.push(ahead ? trans.__('new best') : known === best ? same : trans.__('best %1', quantity(best)));
  }
  return told.join(', ');
}

/** The values of each metric that was logged several times, as they went. */
function curves(metrics: Fields[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const metric of metrics) {
    const values = numbers(metric.curve, MOST_POINTS);
    if (values.length > 1 && !Object.keys(fields(metric.context)).length) {
      found.set(text(metric.name), values);
    }
  }
  return found;
}

function folds(data: Fields, trans: IWords): HTMLElement[] {
  const sets = records(data.datasets).map(d => [text(d.name), rows(d), quantity(list(d.columns).length), print(d)]);
  const files = records(data.artifacts).map(a => [text(a.name), bytes(a.size_bytes)]);
  const defaults = records(data.params).filter(p => p.origin === 'default');
  const traceback = text(fields(data.error).traceback, MOST_ERROR);
  const [name, value] = [trans.__('Name'), trans.__('Value')];
  return [
    folded(
      trans.__('Data'),
      [trans.__('Data'), trans.__('Rows'), trans.__('Columns'), trans.__('Fingerprint')],
      sets,
      trans
    ),
    folded(trans.__('All metrics'), [trans.__('Metric'), value, trans.__('Of')], measured(data), trans),
    folded(trans.__('Models'), [name, trans.__('Estimator')], records(data.models).map(estimator), trans),
    folded(trans.__('Files'), [name, trans.__('Size')], files, trans),
    folded(trans.__('Tags'), [trans.__('Tag'), value], pairs(data.tags), trans),
    folded(trans.__('Defaults'), [trans.__('Param'), value], defaults.map(exact), trans),
    fold(trans.__('Where'), facts(where(data, trans))),
    traceback ? fold(trans.__('Traceback'), node('pre', '', traceback)) : null
  ].filter((made): made is HTMLElement => made !== null);
}

/** Every metric in each of its contexts, where the table above holds but the headlines. */
function measured(data: Fields): string[][] {
  const all = records(data.metrics).map(m => {
    const odd = number(m.not_finite) ? `${quantity(m.not_finite)} not finite` : '';
    return [
      text(m.name),
      quantity(m.value),
      [...pairs(m.context).map(pair => pair.join('=')), odd].filter(Boolean).join(', ')
    ];
  });
  return all.some(([, , of]) => of) ? all : [];
}

function where(data: Fields, trans: IWords): [string, Content][] {
  return [
    [trans.__('Notebook'), text(data.notebook)],
    [trans.__('Order'), text(data.order)],
    [trans.__('Author'), text(data.author)],
    [trans.__('Tracking took'), duration(data.tracking_s)]
  ];
}

function rows(dataset: Fields): string {
  const strength = text(dataset.strength) || 'full';
  return strength === 'full' ? quantity(dataset.rows) : `${quantity(dataset.rows)} (${strength})`;
}

function print(dataset: Fields): string {
  return text(dataset.fingerprint).slice(0, 12);
}

function estimator(model: Fields): string[] {
  return [text(model.name), text(model.estimator)];
}

/** A param with its value as it was set: a seed has no thousands, a rate is not rounded. */
function exact(item: Fields): [string, string] {
  return [text(item.name), text(item.value) || '–'];
}
