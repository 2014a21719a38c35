/** A job: when it fires, with what, what it did last; and one that runs, with its cells as they go. */

import { card, Content, dotted, facts, findings, IWords, moment, node, quiet, status, table, worst } from '../nodes';
import { duration, Fields, fields, json, number, quantity, records, text, texts } from '../values';

const MOST_CELLS = 300;
const MOST_SOURCE = 4000;
const MOST_PIECES = 20;
const FIRST = 80; // characters of a cell's source in a line
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp|svg\+xml);base64,[a-z0-9+/=\s]+$/i;

/**
 * Draw a job.
 *
 * Its definition (`when_text`, `notebook`, `policy`), its works, and where one runs or ran: `state`, `run`, `progress`
 * (`done`, `total`, `current`) and `cells` (`number`, `kind`, `status`, `source`, `duration_s`, `pieces`).
 */
export function job(data: unknown, trans: IWords): HTMLElement {
  const known = fields(data);
  const name = text(known.name) || text(known.job);
  const state =
    text(known.state) ||
    text(fields(known.status).state) ||
    (typeof known.status === 'string' ? text(known.status) : '');
  return card(
    trans.__('Job %1', name),
    state,
    ran(known, trans),
    progress(known, trans),
    facts(about(known, trans)),
    works(records(known.works), trans),
    ...findings(worst(known.findings), trans, 12),
    ...findings(worst(known.then), trans, 12),
    cells(records(known.cells), trans)
  );
}

/** How a run of it went. */
function ran(data: Fields, trans: IWords): HTMLElement | null {
  const run = fields(data.run);
  const id = text(run.run_id) || text(data.run_id);
  const error = fields(run.error);
  const said =
    [text(error.name), text(error.message, 600)].filter(Boolean).join(': ') ||
    (typeof data.error === 'string' ? text(data.error, 600) : '');
  if (!id) {
    return said ? node('p', 'nbmlops-error', said) : null;
  }
  const attempt =
    number(data.attempt) === null ? '' : trans.__('attempt %1 of %2', quantity(data.attempt), quantity(data.most));
  const parts = [
    trans.__('run %1', id.slice(-6)),
    run.status ? status(text(run.status), text(run.cause) === 'error' ? '' : text(run.cause)) : '',
    data.started_at ? moment(data.started_at) : '',
    duration(run.duration_s ?? data.duration_s),
    attempt,
    text(data.reason),
    data.output ? trans.__('output %1', text(data.output)) : ''
  ];
  return node('div', '', dotted(...parts), ...(said ? [node('p', 'nbmlops-error', said)] : []));
}

/** How far it is: always the same height, so that nothing moves while it counts. */
function progress(data: Fields, trans: IWords): HTMLElement | null {
  const told = fields(data.progress);
  const code = records(data.cells).filter(isCode);
  const total = number(told.total) ?? code.length;
  const done = number(told.done) ?? code.filter(cell => text(cell.status) === 'completed').length;
  if (!total) {
    return null;
  }
  const bar = node('progress', 'nbmlops-progress');
  bar.max = Math.max(1, total);
  bar.value = Math.min(Math.max(0, done), bar.max);
  const said = trans.__('%1 of %2 cells', quantity(done), quantity(total));
  bar.setAttribute('aria-label', said);
  return node('div', 'nbmlops-tools', bar, node('span', 'nbmlops-quiet', said));
}

function about(data: Fields, trans: IWords): [string, Content][] {
  const row = fields(data.status);
  return [
    [trans.__('Because'), text(row.says)],
    [trans.__('Next'), row.next_at ? moment(row.next_at) : ''],
    [trans.__('When'), text(data.when_text)],
    [trans.__('Notebook'), text(data.notebook)],
    [trans.__('Kernel'), text(data.kernel)],
    [trans.__('Lock'), text(data.lock)],
    [trans.__('Owner'), text(data.owner)],
    [trans.__('Parameters'), said(data.parameters)],
    [
      trans.__('Then'),
      Array.isArray(data.then) && data.then.every(t => typeof t === 'string') ? texts(data.then).join(', ') : ''
    ],
    [trans.__('Notify'), said(data.notify)],
    [trans.__('Policy'), policy(fields(data.policy))]
  ];
}

function policy(known: Fields): string {
  const told = Object.entries(known).filter(([, v]) => v !== null && v !== 0 && v !== undefined);
  return told.map(([name, v]) => `${text(name)} ${typeof v === 'object' ? said(v) : quantity(v)}`).join(', ');
}

function said(value: unknown): string {
  const empty = typeof value !== 'object' || value === null || !Object.keys(value).length;
  return empty ? (typeof value === 'object' ? '' : text(value)) : text(json(value, 300).replace(/^[{[]|[}\]]$/g, ''));
}

function works(rows: Fields[], trans: IWords): HTMLElement | null {
  const heads = [
    trans.__('Work'),
    trans.__('State'),
    trans.__('By'),
    trans.__('Attempt'),
    trans.__('Run'),
    trans.__('Why')
  ];
  const cells = rows.map(w => [
    text(w.key),
    status(text(w.state)),
    text(w.trigger),
    quantity(w.attempt),
    text(w.run_id).slice(-6),
    text(w.reason)
  ]);
  return rows.length ? table(heads, cells, trans, trans.__('Last works')) : null;
}

/** A line for each code cell; its source and what it showed on demand. */
function cells(found: Fields[], trans: IWords): HTMLElement | null {
  const code = found.filter(isCode);
  const lines = code.slice(0, MOST_CELLS).map((cell, i) => line(cell, i, trans));
  const left = code.length - MOST_CELLS;
  const more = left > 0 ? [quiet(trans.__('and %1 more', left))] : [];
  return lines.length ? node('div', 'nbmlops-cells', ...lines, ...more) : null;
}

function line(cell: Fields, at: number, trans: IWords): HTMLElement {
  const source = typeof cell.source === 'string' ? cell.source : '';
  const first = source.split('\n', 200).find(l => l.trim()) ?? trans.__('(empty)');
  const head = node(
    'summary',
    '',
    node('span', 'nbmlops-cell-number', `[${text(cell.number ?? cell.index ?? at + 1, 6)}]`),
    status(text(cell.status) || 'pending'),
    node('code', '', ` ${text(first, FIRST)} `),
    node('span', 'nbmlops-quiet', duration(cell.duration_s))
  );
  const pieces = records(cell.pieces, MOST_PIECES).map(p => piece(p, trans));
  return node('details', 'nbmlops-fold nbmlops-cell', head, node('pre', '', text(source, MOST_SOURCE)), ...pieces);
}

/** What a cell showed: text, and pictures that cannot run anything. */
function piece(shown: Fields, trans: IWords): HTMLElement {
  const content = typeof shown.content === 'string' ? shown.content : '';
  if (shown.kind === 'image' && PICTURE.test(content)) {
    const made = node('img', 'nbmlops-picture');
    made.alt = text(shown.alt) || trans.__('a picture');
    made.src = content;
    return made;
  }
  if (shown.kind === 'text') {
    return node('pre', '', text(content, MOST_SOURCE));
  }
  return quiet(trans.__('Not shown here: %1. The output notebook has it.', text(shown.kind) || '?'));
}

function isCode(cell: Fields): boolean {
  return cell.kind === undefined || cell.kind === 'code' || cell.kind === null;
}
