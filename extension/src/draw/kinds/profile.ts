/** A profile: what to know of first, then a line for each column, its distribution on demand. */

import { card, dotted, fold, IWords, later, node, quiet, table, worst, findings, Content } from '../nodes';
import { bars } from '../plot';
import { Fields, fields, list, number, percent, quantity, records, text } from '../values';

const MOST_COLUMNS = 300;
const MOST_PICTURES = 60;
const MOST_BINS = 16;

/** Draw a profile. */
export function profile(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const target = text(data.target);
  const columns = records(data.columns);
  const explained = (c: Fields): number => number(fields(c.summary).explained) ?? -1;
  const ordered = target ? [...columns].sort((a, b) => explained(b) - explained(a)) : columns;
  return card(
    trans.__('Profile'),
    '',
    dotted(trans.__('%1 rows', quantity(data.rows)), trans._n('%1 column', '%1 columns', columns.length)),
    ...findings(worst(data.findings), trans, 12, f => text(f.level) || text(f.outcome)),
    columns.length ? lines(ordered, target, trans) : null,
    chunks(fields(data.chunks), text(data.chunk), trans),
    pictures(ordered, target, trans)
  );
}

function lines(columns: Fields[], target: string, trans: IWords): HTMLElement {
  const heads = [
    trans.__('Column'),
    trans.__('Kind'),
    trans.__('Missing'),
    trans.__('Middle'),
    trans.__('Low to high')
  ];
  const more = target ? [trans.__('Explains %1', target)] : [];
  const rows = columns.map(column =>
    line(column, trans).concat(target ? [percent(fields(column.summary).explained)] : [])
  );
  return table([...heads, ...more], rows, trans, '', MOST_COLUMNS);
}

function line(column: Fields, trans: IWords): Content[] {
  const kind = column.identifier ? trans.__('identifier') : text(column.kind);
  return [text(column.name), kind, percent(fields(column.summary).missing), middle(column, trans), span(column, trans)];
}

function middle(column: Fields, trans: IWords): string {
  const summary = fields(column.summary);
  if (column.kind === 'boolean') {
    return number(summary.mean) === null ? '–' : trans.__('%1 true', percent(summary.mean));
  }
  if (summary.top !== null && summary.top !== undefined) {
    return `${text(summary.top, 60)} ${percent(summary.top_share)}`;
  }
  if (column.kind === 'text') {
    return trans.__('%1 distinct, length %2', quantity(column.distinct), quantity(summary.median));
  }
  return quantity(summary.median);
}

function span(column: Fields, trans: IWords): Content {
  const [low, high] = [number(column.low), number(column.high)];
  if (column.kind === 'datetime' && low !== null && high !== null) {
    return `${day(low)} – ${day(high)}`;
  }
  if (column.kind === 'categorical') {
    return trans.__('%1 distinct', quantity(column.distinct));
  }
  return low === null ? '–' : `${quantity(low)} – ${quantity(high)}`;
}

/** The day of seconds since 1970, nothing for a day no calendar has. */
function day(seconds: number): string {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? quantity(seconds) : at.toISOString().slice(0, 10);
}

function chunks(known: Fields, by: string, trans: IWords): HTMLElement | null {
  const rows = Object.entries(known).map(([key, tallies]) => [
    text(key),
    quantity(Math.max(0, ...each(tallies).map(count)))
  ]);
  return rows.length ? fold(trans.__('Rows by %1', by), table([by, trans.__('rows')], rows, trans, '', 100)) : null;
}

function each(tallies: unknown): unknown[] {
  return (Array.isArray(tallies) ? list(tallies, 500) : Object.values(fields(tallies))).slice(0, 500); // by name in format 1
}

function count(tally: unknown): number {
  const counts = Array.isArray(tally) ? tally[0] : fields(tally).counts;
  return list(counts).reduce<number>((sum, n) => sum + (number(n) ?? 0), 0);
}

/** A fold that holds a picture for each column: the target's mean in each bin, else its share of the rows. */
function pictures(columns: Fields[], target: string, trans: IWords): HTMLElement | null {
  const others = columns.filter(column => (!target || column.name !== target) && list(column.counts).length > 1);
  const title = target ? trans.__('%1 in each bin', target) : trans.__('Distributions');
  const left = others.length - MOST_PICTURES;
  const drawn = (): HTMLElement[] =>
    others
      .slice(0, MOST_PICTURES)
      .map(column => picture(column, target, trans))
      .filter((made): made is HTMLElement => made !== null);
  const inside = (): (Content | null)[] => [
    node('div', 'nbmlops-columns', ...drawn()),
    left > 0 ? quiet(trans.__('and %1 more', left)) : null
  ];
  return others.length ? later(node('summary', '', title), inside) : null;
}

function picture(column: Fields, target: string, trans: IWords): HTMLElement | null {
  const counts = list(column.counts).map(n => number(n) ?? 0);
  const labels = labelsOf(fields(column.bins));
  const total = Math.max(
    1,
    counts.reduce((sum, n) => sum + n, 0)
  );
  const means = fields(column.summary).target;
  const largest = labels
    .map((_, i) => i)
    .sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0))
    .slice(0, MOST_BINS);
  const shown = largest.sort((a, b) => a - b).filter(i => counts[i]);
  const value = (i: number): number | null => (Array.isArray(means) ? number(means[i]) : counts[i] / total);
  const known = shown.filter(i => value(i) !== null);
  const about = Array.isArray(means)
    ? trans.__('mean of %1 in each bin', target)
    : trans.__('share of rows in each bin');
  const title = trans.__('%1: %2', text(column.name), about);
  return known.length > 1
    ? bars(
        known.map(i => labels[i]),
        known.map(i => value(i) ?? 0),
        title,
        trans
      )
    : null;
}

/** What each bin holds, as `nbmlops.stats.counts` counts them; values with a bin of their own stand alone. */
function labelsOf(bins: Fields): string[] {
  if (Array.isArray(bins.categories)) {
    return [...list(bins.categories).map(c => text(c, 60)), 'rare', 'unseen', 'missing'];
  }
  const [low, high] = [number(bins.low) ?? 0, number(bins.high) ?? 0];
  const spikes = list(bins.spikes)
    .map(number)
    .filter((s): s is number => s !== null);
  const cuts = list(bins.cuts)
    .map(number)
    .filter((c): c is number => c !== null);
  // An edge is a value, or what lies just above it.
  const edges = [
    ...cuts.map(c => [c, 0]),
    ...spikes.flatMap(s => [
      [s, 0],
      [s, 1]
    ]),
    [low, 0],
    [high, 1]
  ]
    .filter(([v]) => v >= low && v <= high)
    .sort(([a, i], [b, j]) => a - b || i - j)
    .filter(([v, above], i, all) => !i || v !== all[i - 1][0] || above !== all[i - 1][1]);
  const single = new Set(spikes);
  const regular = edges.slice(0, -1).map(([v, above], i) => {
    const next = edges[i + 1][0];
    return !above && single.has(v) ? quantity(v) : `${quantity(v)} – ${quantity(next)}`;
  });
  return [...regular, 'below', 'above', '-inf', '+inf', 'missing'];
}
