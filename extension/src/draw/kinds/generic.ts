/** Any other kind: its state, its facts, its lists as tables; what it holds of its own under its own name. */

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
import { Fields, fields, json, list, percent, quantity, records, text } from '../values';

const STATES = ['verdict', 'status', 'state', 'outcome'];
const TITLES = ['title', 'name', 'ref', 'subject', 'project', 'model', 'notebook', 'path'];
const MOST_COLUMNS = 12;
const MOST_DEEP = 3;
const MOST_CELLS = 4000; // of one drawing

/** How much may still be drawn. */
interface IRoom {
  cells: number;
}

/** Draw some JSON of a kind without a drawing of its own. */
export function generic(kind: string, data: unknown, trans: IWords): HTMLElement {
  const known = fields(data);
  const state = STATES.find(key => typeof known[key] === 'string') ?? '';
  const title = TITLES.map(key => known[key]).find(v => typeof v === 'string' && v);
  const said = words(kind);
  const name = `${said[0]?.toUpperCase() ?? ''}${said.slice(1)}`;
  const skip = new Set([state, 'findings', ...TITLES.filter(key => known[key] === title)]);
  return card(
    title === undefined ? name : trans.__('%1 of %2', name, text(title)),
    text(known[state]),
    ...findings(worst(known.findings), 12, trans),
    ...body(known, skip, trans, 0, { cells: MOST_CELLS })
  );
}

/** Draw what is no kind we know: its JSON as plain text. */
export function plain(kind: string, data: unknown, trans: IWords): HTMLElement {
  const said = trans.__('This nbmlops does not know %1. A newer one may.', text(kind, 80) || '?');
  return node('div', 'nbmlops-plain', quiet(said), node('pre', '', text(json(data, 4000, '  '), 4100)));
}

/** Draw an object's plain values as facts, its texts and lists below. */
function body(known: Fields, skip: Set<string>, trans: IWords, deep: number, room: IRoom): (Content | null)[] {
  const entries = Object.entries(known).filter(([key, v]) => !skip.has(key) && !nothing(v));
  const simple = entries.filter(([, v]) => typeof v !== 'object');
  const lists = entries.filter(([, v]) => typeof v === 'object').slice(0, 40);
  room.cells -= simple.length;
  const told = facts(simple.slice(0, 40).map(([key, v]) => [words(key), single(key, v)]));
  return [told, ...lists.flatMap(([key, v]) => held(words(key), v, trans, deep + 1, room))];
}

/** Draw a list or an object under its name. */
function held(name: string, value: unknown, trans: IWords, deep: number, room: IRoom): (Content | null)[] {
  if (room.cells <= 0) {
    return [];
  }
  if (deep > MOST_DEEP) {
    room.cells -= 1;
    return [facts([[name, text(value)]])];
  }
  if (!Array.isArray(value)) {
    return [fold(name, ...body(fields(value), new Set(), trans, deep, room))];
  }
  const rows = records(value);
  const heads = columns(rows);
  if (!heads.length) {
    return [
      facts([
        [
          name,
          list(value, 100)
            .map(v => quantity(v))
            .join(', ')
        ]
      ])
    ];
  }
  room.cells -= heads.length * Math.min(rows.length, MOST_ROWS);
  const cells = rows.slice(0, MOST_ROWS).map(row => heads.map(key => single(key, row[key])));
  const drawn = table(heads.map(words), cells, trans, '', MOST_ROWS, value.length);
  return value.length > 8 ? [fold(`${name} (${value.length})`, drawn)] : [node('h4', 'nbmlops-part', name), drawn];
}

function columns(rows: Fields[]): string[] {
  const found = new Set<string>();
  rows.slice(0, 100).forEach(row => Object.keys(row).forEach(key => found.add(key)));
  return [...found].slice(0, MOST_COLUMNS);
}

/** Draw one value by its name: moments, shares and states as what they are. */
function single(key: string, value: unknown): Content {
  if (typeof value === 'string' && key.endsWith('_at') && value) {
    return moment(value);
  }
  if (typeof value === 'string' && (STATES.includes(key) || key === 'level') && value) {
    return status(text(value));
  }
  if (typeof value === 'number' && (key === 'share' || key.endsWith('_share'))) {
    return percent(value);
  }
  return typeof value === 'object' ? text(value) : quantity(value);
}

function nothing(value: unknown): boolean {
  return (
    value === null || value === undefined || value === '' || (typeof value === 'object' && !Object.keys(value).length)
  );
}

function words(key: string): string {
  return text(key, 60)
    .replace(/_(at|s)$/, '')
    .replace(/_/g, ' ');
}
