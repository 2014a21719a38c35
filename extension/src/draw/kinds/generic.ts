/** Any other kind, by what it holds: its state, its facts, its lists as tables; which, and in which order, by kind. */

import {
  card,
  Content,
  facts,
  findings,
  fold,
  IWords,
  moment,
  MOST_ROWS,
  node,
  quiet,
  status,
  table,
  worst
} from '../nodes';
import { bytes, duration, Fields, fields, json, list, percent, quantity, records, text } from '../values';

const STATES = ['verdict', 'status', 'state', 'outcome', 'level'];
const TITLES = ['title', 'name', 'ref', 'subject', 'project', 'model', 'notebook', 'path'];
const MOST_COLUMNS = 12;
const MOST_DEEP = 3;
const MOST_CELLS = 4000; // of one drawing
const HASH = /^[0-9a-f]{40,64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;

/** Columns of a list, by kind and list, as the view without scripts has them; of others all. */
const COLUMNS = new Map([
  ['audit.events', 'seq at actor known_by what why evidence'],
  ['flags.rows', 'severity state subject where text author role owner at flag_id'],
  ['status.items', 'version phase because turn do'],
  ['fan.rows', 'row state attempt why duration_s params metrics run_id'],
  ['rules.columns', 'name rules meaning unit owner'],
  ['tick.fires', 'job what trigger scheduled_for why']
]);
/** What is no use to a reader, by name. */
const NEVER = new Set(['hash', 'prev_hash', 'digest', 'process', 'capped', 'row_id']);

/** What is said below, by kind. */
const AFTER = new Map<string, (known: Fields, trans: IWords) => Content[]>([
  ['status', backs],
  ['flags', answering]
]);

/** How much may still be drawn. */
interface IRoom {
  cells: number;
}

/** What is drawn of which kind, for how deep it lies. */
interface IWhere {
  readonly kind: string;
  readonly trans: IWords;
  readonly room: IRoom;
}

/** Draw some JSON of a kind without a drawing of its own. */
export function generic(kind: string, data: unknown, trans: IWords): HTMLElement {
  const known = fields(data);
  const where = { kind, trans, room: { cells: MOST_CELLS } };
  const state = STATES.find(key => typeof known[key] === 'string') ?? '';
  const title = TITLES.find(key => typeof known[key] === 'string' && known[key]) ?? '';
  const said = words(kind);
  const name = `${said.charAt(0).toUpperCase()}${said.slice(1)}`;
  return card(
    title ? trans.__('%1: %2', name, text(known[title])) : name,
    text(known[state]),
    ...findings(worst(known.findings), trans),
    ...body(known, new Set([state, 'findings', title]), where, 0),
    ...(AFTER.get(kind)?.(known, trans) ?? [])
  );
}

/** When and why models went back a phase. */
function backs(known: Fields, trans: IWords): Content[] {
  return records(known.items).flatMap(item => {
    const { at, by, from, to, why } = fields(item.back);
    const way = trans.__(
      '%1 went back from %2 to %3 on %4 (%5)',
      ...[item.model, from, to].map(v => text(v)),
      text(at).slice(0, 10),
      text(by)
    );
    return item.back ? [node('p', '', why ? `${way}: ${text(why)}` : way)] : [];
  });
}

/** How a flag of a list is answered. */
function answering(known: Fields, trans: IWords): Content[] {
  const some = list(known.rows).length > 0 && !known.by;
  return some ? [quiet(trans.__('Answer one: %1', '%flag answer ID "..." --state accepted'))] : [];
}

/** Draw what is no kind we know: its JSON as plain text. */
export function plain(kind: string, data: unknown, trans: IWords): HTMLElement {
  const said = trans.__('This nbmlops does not know %1. A newer one may.', text(kind, 80) || '?');
  return node('div', 'nbmlops-plain', quiet(said), node('pre', '', text(json(data, 4000, '  '), 4100)));
}

/** Draw an object's plain values as facts, its texts and lists below. */
function body(known: Fields, skip: Set<string>, where: IWhere, deep: number): (Content | null)[] {
  const entries = Object.entries(known).filter(([key, v]) => !skip.has(key) && !NEVER.has(key) && !nothing(v));
  const simple = entries.filter(([, v]) => typeof v !== 'object' || short(v)).slice(0, 40);
  const lists = entries.filter(([, v]) => typeof v === 'object' && !short(v)).slice(0, 40);
  where.room.cells -= simple.length;
  const told = facts(simple.map(([key, v]) => [words(key), single(key, v)]));
  return [told, ...lists.flatMap(([key, v]) => held(key, v, where, deep + 1))];
}

/** Draw a list or an object under its name. */
function held(key: string, value: unknown, where: IWhere, deep: number): (Content | null)[] {
  if (where.room.cells <= 0) {
    return [];
  }
  if (deep > MOST_DEEP) {
    where.room.cells -= 1;
    return [facts([[words(key), said(value)]])];
  }
  if (!Array.isArray(value)) {
    return [fold(words(key), ...body(fields(value), new Set(), where, deep))];
  }
  const rows = records(value);
  const heads = columns(rows, `${where.kind}.${key}`);
  if (!heads.length) {
    const items = list(value, 50).map(item => node('li', '', typeof item === 'object' ? said(item) : quantity(item)));
    return [node('h4', 'nbmlops-part', words(key)), node('ul', '', ...items)];
  }
  where.room.cells -= heads.length * Math.min(rows.length, MOST_ROWS);
  const cells = rows.slice(0, MOST_ROWS).map(row => heads.map(head => single(head, row[head])));
  const drawn = table(heads.map(words), cells, where.trans, '', MOST_ROWS, value.length);
  const title = `${words(key)} (${value.length})`;
  return value.length > 8 && deep > 1 ? [fold(title, drawn)] : [node('h4', 'nbmlops-part', words(key)), drawn];
}

/** The columns of rows: those the kind names, else all that hold anything. */
function columns(rows: Fields[], list: string): string[] {
  const found = new Set<string>();
  const some = rows.slice(0, 100);
  some.forEach(row => Object.keys(row).forEach(key => NEVER.has(key) || nothing(row[key]) || found.add(key)));
  const named = COLUMNS.get(list)
    ?.split(' ')
    .filter(key => found.has(key));
  return named?.length ? named : [...found].slice(0, MOST_COLUMNS);
}

/** Draw one value by its name: moments, shares and states as what they are. */
function single(key: string, value: unknown): Content {
  if (typeof value === 'string' && TIME.test(value)) {
    return moment(value);
  }
  if (typeof value === 'string' && STATES.includes(key) && value) {
    return status(text(value));
  }
  if (typeof value === 'string' && HASH.test(value)) {
    return value.slice(0, 12);
  }
  if (typeof value === 'string' && (key === 'run_id' || key === 'flag_id')) {
    return value.slice(key === 'run_id' ? -6 : -8);
  }
  if (typeof value === 'number' && (key === 'share' || key === 'probability' || key.endsWith('_share'))) {
    return percent(value);
  }
  if (typeof value === 'number' && /_(bytes|s)$/.test(key)) {
    return key.endsWith('_s') ? duration(value) : bytes(value);
  }
  return typeof value === 'object' ? said(value) : quantity(value);
}

/** A list or an object on a line: its values, with their names where it has some. */
function said(value: unknown): string {
  if (Array.isArray(value)) {
    return text(
      list(value, 20)
        .map(item => (typeof item === 'object' ? json(item, 60) : quantity(item)))
        .join(', ')
    );
  }
  const told = Object.entries(fields(value)).filter(([key, v]) => !NEVER.has(key) && !nothing(v));
  const parts = told
    .slice(0, 20)
    .map(([key, v]) => `${words(key)} ${typeof v === 'object' ? json(v, 60) : quantity(v)}`);
  return text(parts.join(', '));
}

/** Whether a list or an object is a few plain values, which a line holds. */
function short(value: unknown): boolean {
  const inside = typeof value === 'object' && value !== null ? Object.values(value).slice(0, 7) : [];
  const least = Array.isArray(value) ? inside.every(v => text(v).length < 40) : inside.length < 4;
  return inside.length > 0 && inside.length < 7 && least && inside.every(v => typeof v !== 'object' || v === null);
}

function nothing(value: unknown): boolean {
  return (
    value === null || value === undefined || value === '' || (typeof value === 'object' && !Object.keys(value).length)
  );
}

function words(key: string): string {
  return text(key, 60)
    .replace(/_(at|s|bytes)$/, '')
    .replace(/_/g, ' ');
}
