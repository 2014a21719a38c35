/** Runs side by side: only what differs, how metrics went, and what changed in the code. */

import { changedLines } from '../diff';
import { Content, fold, IWords, node, quiet, scoped, status, table } from '../nodes';
import { curves, ICurve } from '../plot';
import { Fields, fields, list, number, quantity, records, text } from '../values';
import { metricName } from './run';

const MOST_RUNS = 8;
const MOST_CURVES = 8;
const MOST_DIFFERENT = 200;

/** Draw a comparison. */
export function comparison(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const runs = records(data.runs, MOST_RUNS);
  const names = runs.map(run => `${text(run.experiment) || text(run.name)} (${text(run.run_id).slice(-6)})`);
  const rows = records(data.rows).filter(row => row.name !== 'source');
  const made = node(
    'article',
    'nbmlops-card',
    node('header', 'nbmlops-head', node('strong', 'nbmlops-name', title(names, trans)))
  );
  made.setAttribute('aria-label', trans.__('Comparison'));
  made.append(rows.length ? differences(runs, names, rows, trans) : quiet(trans.__('Nothing differs.')));
  made.append(...drawn(records(data.curves, MOST_CURVES), names, trans), ...source(records(data.rows), trans));
  return made;
}

function title(names: string[], trans: IWords): string {
  return names.length === 2
    ? trans.__('%1 beside %2', names[0], names[1])
    : trans.__('%1 runs side by side', names.length);
}

function differences(runs: Fields[], names: string[], rows: Fields[], trans: IWords): HTMLElement {
  const two = runs.length === 2;
  const heads = [trans.__('What differs'), ...names, ...(two ? [trans.__('Difference')] : [])];
  const cells = rows.slice(0, MOST_DIFFERENT).map(row => cellsOf(row, runs.length, two));
  const made = table(heads, [...states(runs, two, trans), ...cells], trans, '', MOST_DIFFERENT + 1);
  Array.from(made.querySelectorAll('tbody td:first-child')).forEach(cell => cell.replaceWith(head(cell)));
  const left = rows.length - MOST_DIFFERENT;
  return left > 0 ? node('div', '', made, quiet(trans.__('and %1 more', left))) : made;
}

function states(runs: Fields[], two: boolean, trans: IWords): Content[][] {
  const known = runs.map(run => text(run.status));
  const differ = known.some(state => state !== known[0]);
  return differ ? [[trans.__('status'), ...known.map(state => status(state)), ...(two ? [''] : [])]] : [];
}

function cellsOf(row: Fields, count: number, two: boolean): Content[] {
  const values = Array.from({ length: count }, (_, i) => list(row.values)[i]);
  const [first, second] = values.map(number);
  const differ = two && first !== null && second !== null ? [change(first, second)] : two ? [''] : [];
  return [named(text(row.name)), ...values.map(quantity), ...differ];
}

function change(value: number, before: number): string {
  return value === before ? '' : `${value > before ? '+' : '−'}${quantity(Math.abs(value - before))}`;
}

/** A column's name without the word for its kind where it is a metric or a param. */
function named(column: string): string {
  return metricName(column.replace(/^(metrics|params)\./, ''));
}

function head(cell: Element): HTMLElement {
  return scoped(node('th', '', ...Array.from(cell.childNodes)), 'row');
}

/** A chart for each metric that was logged several times in any of the runs. */
function drawn(measured: Fields[], names: string[], trans: IWords): HTMLElement[] {
  const charts = measured.map(metric => {
    const lines = records(metric.runs, names.length).map((line, i) => curve(line, names[i] ?? ''));
    const known = lines.filter((line): line is ICurve => line !== null);
    return known.length ? curves(known, metricName(text(metric.name))) : null;
  });
  const shown = charts.filter((chart): chart is HTMLElement => chart !== null);
  return shown.length
    ? [node('h4', 'nbmlops-part', trans.__('While they ran')), node('div', 'nbmlops-columns', ...shown)]
    : [];
}

/** A line of what are numbers: a value that is none leaves out its step, too. */
function curve(line: Fields, name: string): ICurve | null {
  const [steps, values] = [list(line.steps), list(line.values)];
  const known = values.map((v, i) => [number(steps[i]) ?? i, number(v)] as const);
  const points = known.filter((point): point is readonly [number, number] => point[1] !== null);
  return points.length > 1 ? { name, xs: points.map(([x]) => x), ys: points.map(([, y]) => y) } : null;
}

/** What changed in the code, where two sources are known. */
function source(rows: Fields[], trans: IWords): HTMLElement[] {
  const sources = list(rows.find(row => row.name === 'source')?.values);
  const [now, before] = sources.map(s => (typeof s === 'string' ? s : ''));
  if (sources.length !== 2 || !now || !before) {
    return [];
  }
  const lines = changedLines(before, now).map(line => node('span', tone(line), `${text(line, 400)}\n`));
  const made = lines.length ? fold(trans.__('What changed in the code'), node('pre', 'nbmlops-diff', ...lines)) : null;
  return made ? [made] : [];
}

function tone(line: string): string {
  return line.startsWith('+') ? 'nbmlops-added' : line.startsWith('-') ? 'nbmlops-removed' : '';
}
