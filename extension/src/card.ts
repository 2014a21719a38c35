/** Drawing a run with plain DOM nodes: the one module behind the MIME renderer and the panel. */

import { IFinding, IRun, quantity } from './run';

/** What the drawing needs of a translator. */
export interface IWords {
  __(text: string, ...values: unknown[]): string;
}

const MAX_ROWS = 50;
const SVG = 'http://www.w3.org/2000/svg';
const SHAPES: Record<string, [string, string]> = {
  finished: ['●', 'good'],
  running: ['▲', 'warn'],
  interrupted: ['▲', 'warn'],
  abandoned: ['▲', 'warn'],
  failed: ['■', 'bad']
};

/** Make an element with a class, and texts or elements in it; text is never read as HTML. */
export function node<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name = '',
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (name) {
    made.className = name;
  }
  made.append(...children);
  return made;
}

/** Draw a status: shape, word and colour. */
export function status(run: IRun): HTMLElement {
  const [shape, tone] = SHAPES[run.status] ?? ['○', 'quiet'];
  const mark = node('span', '', shape);
  mark.setAttribute('aria-hidden', 'true');
  const word = run.cause && run.cause !== 'error' ? `${run.status} (${run.cause})` : run.status;
  return node('span', `nbmlops-status nbmlops-${tone}`, mark, ` ${word}`);
}

/** Draw the time a run started, in the reader's zone; the whole UTC text is its title. */
export function startTime(run: IRun): HTMLElement {
  const at = new Date(run.startedAt);
  const made = node('time', 'nbmlops-time', Number.isNaN(at.getTime()) ? run.startedAt : clock(at));
  made.dateTime = run.startedAt;
  made.title = run.startedAt;
  return made;
}

/** Draw a table with column heads; more rows than fit are counted. */
export function table(heads: string[], rows: (Node | string)[][], trans: IWords): HTMLElement {
  const head = node('tr', '', ...heads.map(h => scoped(node('th', '', h), 'col')));
  const body = rows.slice(0, MAX_ROWS).map(row => node('tr', '', ...row.map(cell => node('td', '', cell))));
  const made = node('table', 'nbmlops-table', node('thead', '', head), node('tbody', '', ...body));
  const left = rows.length - MAX_ROWS;
  return left > 0 ? node('div', '', made, node('p', 'nbmlops-quiet', trans.__('and %1 more', left))) : made;
}

/** Draw a run: what it was, how it ended, what was measured, set, read and made. */
export function runCard(run: IRun, trans: IWords): HTMLElement {
  const card = node('article', 'nbmlops-card', header(run), facts(run, trans));
  card.setAttribute('aria-label', trans.__('Run %1', run.name));
  if (run.error) {
    card.append(node('p', 'nbmlops-error', run.error));
  }
  card.append(...run.findings.map(finding));
  card.append(columns(run, trans));
  card.append(...folds(run, trans));
  return card;
}

/** Draw what is shown when some JSON is no run. */
export function notARun(trans: IWords): HTMLElement {
  return node('p', 'nbmlops-quiet', trans.__('This is not a run nbmlops knows how to show. A newer nbmlops may.'));
}

/** Say whether a head cell names its column or its row. */
export function scoped(cell: HTMLTableCellElement, scope: string): HTMLTableCellElement {
  cell.scope = scope;
  return cell;
}

function header(run: IRun): HTMLElement {
  return node('header', 'nbmlops-head', node('strong', 'nbmlops-name', run.name), status(run));
}

function facts(run: IRun, trans: IWords): HTMLElement {
  const made = node('p', 'nbmlops-quiet');
  const parts: (Node | string)[] = [];
  if (run.experiment && run.experiment !== run.name) {
    parts.push(trans.__('experiment %1', run.experiment));
  }
  parts.push(run.startedAt ? startTime(run) : '', run.duration, trans.__('run %1', run.id.slice(-6)));
  if (run.commit) {
    parts.push(run.dirty ? trans.__('commit %1, changed since', run.commit) : trans.__('commit %1', run.commit));
  }
  parts.push(...run.models.map(([name, estimator]) => `${name} = ${estimator}`), run.kept);
  parts.filter(Boolean).forEach((part, i) => made.append(...(i ? [' · ', part] : [part])));
  return made;
}

/** One finding: how bad by shape and word, what, and the code its documentation goes by. */
function finding(found: IFinding): HTMLElement {
  const [shape, tone] = found.outcome === 'issue' ? ['■', 'bad'] : ['▲', 'warn'];
  const mark = node('span', '', shape);
  mark.setAttribute('aria-hidden', 'true');
  const word = node('span', `nbmlops-status nbmlops-${tone}`, mark, ` ${found.outcome}`);
  return node('p', 'nbmlops-finding', word, ` ${found.message} `, node('span', 'nbmlops-quiet', found.code));
}

/** A metric's row: name, value with how it went, and how it compares; the last only where anything does. */
function measured(run: IRun, [name, value]: [string, string]): (Node | string)[] {
  const curve = run.curves.get(name);
  const shown = curve ? node('span', 'nbmlops-curve', value, ' ', sparkline(curve, name)) : value;
  return run.changes.size ? [name, shown, run.changes.get(name) ?? ''] : [name, shown];
}

/** Draw how a metric went, the height of a word. */
function sparkline(values: number[], name: string): SVGElement {
  const [width, height] = [80, 14];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (i: number) => (1 + (i * (width - 2)) / (values.length - 1)).toFixed(1);
  const y = (v: number) => (high === low ? height / 2 : height - 1 - ((v - low) * (height - 2)) / (high - low)).toFixed(1);
  const line = document.createElementNS(SVG, 'polyline');
  line.setAttribute('points', values.map((v, i) => `${x(i)},${y(v)}`).join(' '));
  const drawn = document.createElementNS(SVG, 'svg');
  const about = { class: 'nbmlops-sparkline', width, height, role: 'img', 'aria-label': `${name}: ${quantity(low)} – ${quantity(high)}` };
  Object.entries(about).forEach(([key, item]) => drawn.setAttribute(key, String(item)));
  drawn.append(line);
  return drawn;
}

/** The two tables people look for first, side by side where there is room. */
function columns(run: IRun, trans: IWords): HTMLElement {
  const made = node('div', 'nbmlops-columns');
  if (run.summary.length) {
    const heads = [trans.__('Metric'), trans.__('Value'), ...(run.changes.size ? [trans.__('Change')] : [])];
    made.append(table(heads, run.summary.map(row => measured(run, row)), trans));
  }
  if (run.params.length) {
    made.append(table([trans.__('Param'), trans.__('Value')], run.params, trans));
  }
  return made;
}

function folds(run: IRun, trans: IWords): HTMLElement[] {
  const data = [trans.__('Data'), trans.__('Rows'), trans.__('Columns'), trans.__('Fingerprint')];
  return [
    fold(trans.__('Data'), run.datasets, data, trans),
    fold(trans.__('Models'), run.models, [trans.__('Name'), trans.__('Estimator')], trans),
    fold(trans.__('Files'), run.artifacts, [trans.__('Name'), trans.__('Size')], trans),
    fold(trans.__('Tags'), run.tags, [trans.__('Tag'), trans.__('Value')], trans),
    fold(trans.__('Defaults'), run.defaults, [trans.__('Param'), trans.__('Value')], trans),
    run.traceback ? opened(trans.__('Traceback'), node('pre', '', run.traceback)) : null
  ].filter((made): made is HTMLElement => made !== null);
}

function fold(title: string, rows: string[][], heads: string[], trans: IWords): HTMLElement | null {
  return rows.length ? opened(`${title} (${rows.length})`, table(heads, rows, trans)) : null;
}

function opened(title: string, body: HTMLElement): HTMLElement {
  return node('details', 'nbmlops-fold', node('summary', '', title), body);
}

function clock(at: Date): string {
  const today = new Date().toDateString() === at.toDateString();
  const time = at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  return today ? time : `${at.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })} ${time}`;
}
