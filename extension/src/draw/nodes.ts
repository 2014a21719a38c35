/** The few pieces every drawing is built from. Text goes in as text; nothing is ever read as HTML. */

import { children, live, on, patch } from './patch';
import { address, Fields, fields, MOST_RECORDS, quantity, records, text } from './values';

/** What the drawing needs of a translator; Lab's bundles have it. */
export interface IWords {
  __(text: string, ...values: unknown[]): string;
  _n(one: string, many: string, count: number, ...values: unknown[]): string;
}

/** What may stand in an element. */
export type Content = Node | string;

/** The most rows of a plain table; longer ones are for the grid. */
export const MOST_ROWS = 50;

const MOST_FOUND = 5000; // findings; those that say something may come last
const MOST_STANDING = 4; // columns of a table that needs no scrolling
const SVG = 'http://www.w3.org/2000/svg';
// As in html.py.
const GOOD =
  'finished,passed,ok,better,non-inferior,completed,done,shown,keep,complete,approved,accepted,answered,met,ready';
const WARN =
  'running,warning,notice,inconclusive,interrupted,abandoned,retrain,incomplete,open,stale,started,' +
  'approved with conditions,changes requested,change the model,not shown,partly,untrusted';
const BAD =
  'failed,issue,alert,worse,kernel_died,timed_out,broken,stop,stopped,missed,rejected,blocking,fix the data,missing';
const TONES = new Map(
  [
    [GOOD, '●', 'good'],
    [WARN, '▲', 'warn'],
    [BAD, '■', 'bad']
  ].flatMap(([words, shape, tone]) => words.split(',').map(word => [word, [shape, tone]] as const))
);

/** Make an element with a class, and texts or elements in it. */
export function node<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  name = '',
  ...children: Content[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (name) {
    made.className = name;
  }
  made.append(...children);
  return made;
}

/** Make a part of a picture. */
export function shape(tag: string, about: Record<string, string | number> = {}, ...children: Content[]): SVGElement {
  const made = document.createElementNS(SVG, tag);
  Object.entries(about).forEach(([key, value]) => made.setAttribute(key, String(value)));
  made.append(...children);
  return made;
}

/** Make a button that does something. */
export function button(label: string, name: string, act: () => void): HTMLButtonElement {
  const made = node('button', name, label);
  made.type = 'button';
  on(made, 'click', act);
  return made;
}

/** Make a link, or plain text where its address is none we would follow. */
export function link(to: unknown, label: string): Content {
  const href = address(to);
  if (!href) {
    return label;
  }
  const made = node('a', 'nbmlops-link', label);
  made.href = href;
  made.target = '_blank';
  made.rel = 'noopener noreferrer';
  return made;
}

/** Draw a status: shape, word and colour. */
export function status(word: string, cause = ''): HTMLElement {
  const [mark, tone] = TONES.get(word) ?? ['○', 'quiet'];
  const said = word.replace(/_/g, ' ');
  return node('span', `nbmlops-status nbmlops-${tone}`, hidden(mark), cause ? ` ${said} (${cause})` : ` ${said}`);
}

/** Draw a moment, in the reader's zone and with its name; the whole UTC text is its title. */
export function moment(value: unknown): HTMLTimeElement {
  const said = text(value, 40);
  const at = new Date(/^\d{4}-\d\d-\d\d/.test(said) ? said : NaN);
  const made = node('time', 'nbmlops-time', Number.isNaN(at.getTime()) ? said : zoned(at));
  made.dateTime = said;
  made.title = said;
  return made;
}

/** Draw a table with column heads; more rows than fit are counted. */
export function table(
  heads: string[],
  rows: Content[][],
  trans: IWords,
  caption = '',
  most = MOST_ROWS,
  of = rows.length
): HTMLElement {
  const head = node('tr', '', ...heads.map(h => scoped(node('th', '', h), 'col')));
  const body = rows.slice(0, most).map(row => node('tr', '', ...row.map(cell => node('td', '', cell))));
  const made = node('table', 'nbmlops-table', node('thead', '', head), node('tbody', '', ...body));
  if (caption) {
    made.prepend(node('caption', '', caption));
  }
  const left = of - most;
  const wide = node('div', 'nbmlops-wide', made, ...(left > 0 ? [quiet(trans.__('and %1 more', left))] : []));
  return heads.length > MOST_STANDING ? scrolling(wide, caption || trans.__('Table')) : wide;
}

/** Let a keyboard reach and scroll what may be larger than its place: the notebook moves to another cell by the same keys. */
export function scrolling(wide: HTMLElement, label: string, role = 'group'): HTMLElement {
  wide.tabIndex = 0;
  wide.setAttribute('role', role);
  wide.setAttribute('aria-label', label);
  wide.addEventListener('keydown', event => {
    if (event.target === wide && /^(Arrow|Page|Home|End)/.test(event.key)) {
      event.stopPropagation();
    }
  });
  return wide;
}

/** Say whether a head cell names its column or its row. */
export function scoped(cell: HTMLTableCellElement, scope: string): HTMLTableCellElement {
  cell.scope = scope;
  return cell;
}

/** Draw a titled card: what it is, its state, and what stands in it. */
export function card(title: string, word: string, ...body: (Content | null)[]): HTMLElement {
  const head = node('header', 'nbmlops-head', node('strong', 'nbmlops-name', title), ...(word ? [status(word)] : []));
  const made = node('article', 'nbmlops-card', head, ...body.filter((part): part is Content => Boolean(part)));
  made.setAttribute('aria-label', title);
  return made;
}

/** Draw what opens on demand, null where there is nothing in it. */
export function fold(title: string, ...body: (Content | null)[]): HTMLElement | null {
  const inside = body.filter((part): part is Content => Boolean(part));
  return inside.length ? node('details', 'nbmlops-fold', node('summary', '', title), ...inside) : null;
}

/** Draw what opens on demand, and make what stands in it only then. */
export function later(summary: HTMLElement, make: () => (Content | null)[]): HTMLDetailsElement {
  const made = node('details', 'nbmlops-fold', summary);
  let now = make;
  const show = (): void => {
    const inside = made.open ? now().filter((part): part is Content => Boolean(part)) : [];
    children(made, [
      made.firstChild ?? summary,
      ...inside.map(part => (typeof part === 'string' ? document.createTextNode(part) : part))
    ]);
  };
  made.addEventListener('toggle', show);
  live(made, 'later', { summary, make }, next => {
    now = next.make;
    patch(made.firstChild ?? summary, next.summary);
    show();
  });
  return made;
}

/** Draw a table that opens on demand, with its number of rows; null without any. */
export function folded(title: string, heads: string[], rows: Content[][], trans: IWords): HTMLElement | null {
  return rows.length ? fold(`${title} (${rows.length})`, table(heads, rows, trans)) : null;
}

/** Draw facts with a label each; what is not known is left out, null if nothing is. */
export function facts(rows: [string, Content][]): HTMLElement | null {
  const known = rows.filter(([, value]) => value !== '');
  const parts = known.flatMap(([label, value]) => [node('dt', '', label), node('dd', '', value)]);
  return parts.length ? node('dl', 'nbmlops-facts', ...parts) : null;
}

/** Draw words that matter less. */
export function quiet(...said: Content[]): HTMLElement {
  return node('p', 'nbmlops-quiet', ...said);
}

/** Say what did not fit into an output; null where all did. */
export function leftOut(data: Fields, trans: IWords): HTMLElement | null {
  const told = pairs(data.capped).map(([where, count]) => `${count} ${where}`);
  return told.length ? quiet(trans.__('Too long for an output, in the store only: %1', told.join(', '))) : null;
}

/** Draw several short things on a line, with a dot between. */
export function dotted(...parts: Content[]): HTMLElement {
  return quiet(...parts.filter(Boolean).flatMap((part, i) => (i ? [' · ', part] : [part])));
}

/** Draw findings, a line each: how bad by shape and word, what, and the code its documentation goes by. */
export function findings(
  found: Fields[],
  trans: IWords,
  most = 12,
  word = (f: Fields): string => text(f.outcome) || text(f.level)
): HTMLElement[] {
  const drawn = found.slice(0, most).map(f => finding(f, word(f)));
  const left = found.length - most;
  return left > 0 ? [...drawn, quiet(trans.__('and %1 more', left))] : drawn;
}

/** Return the findings in some JSON, worst first. */
export function worst(value: unknown): Fields[] {
  const order = ['issue', 'warning', 'skipped', 'muted', 'not_applicable', 'passed'];
  const place = (f: Fields): number => (order.indexOf(text(f.outcome)) + order.length + 1) % (order.length + 1);
  return records(value, MOST_FOUND).sort((a, b) => place(a) - place(b));
}

/** Return names with values, as rows of a table. */
export function pairs(value: unknown): [string, string][] {
  return Object.entries(fields(value))
    .slice(0, MOST_RECORDS)
    .map(([key, item]) => [text(key), quantity(item)]);
}

/** A mark for the eye alone. */
export function hidden(mark: string): HTMLElement {
  const made = node('span', '', mark);
  made.setAttribute('aria-hidden', 'true');
  return made;
}

/** Tell the host of a drawing what somebody wants; returns whether it takes care of that. */
export function asks(from: Element, what: 'open' | 'compare', detail: Record<string, unknown>): boolean {
  return !from.dispatchEvent(new CustomEvent(`nbmlops:${what}`, { bubbles: true, cancelable: true, detail }));
}

function finding(found: Fields, word: string): HTMLElement {
  const code = node('span', 'nbmlops-quiet', text(found.code));
  return node('p', 'nbmlops-finding', status(word), ` ${text(found.message, 600)} `, code);
}

function zoned(at: Date): string {
  const day = at.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
  const time = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short' } as const;
  return `${day} ${at.toLocaleTimeString(undefined, time)}`;
}
