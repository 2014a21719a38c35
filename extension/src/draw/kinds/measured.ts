/** Metrics with their intervals, the ones people ask for first on top. */

import { Content, IWords, node, table } from '../nodes';
import { Fields, fields, number, quantity } from '../values';

const FIRST = ['roc_auc', 'average_precision', 'accuracy', 'f1', 'mae', 'rmse', 'r2'];

/** Draw metrics as a table, and on how many rows where that is not said already; null without any. */
export function measured(json: unknown, trans: IWords, said?: unknown): HTMLElement | null {
  const known = Object.entries(fields(json)).map(([name, value]) => [name, fields(value)] as const);
  const rank = (name: string): number => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1);
  known.sort(([a], [b]) => rank(a) - rank(b));
  const counts = known.map(([, m]) => quantity(m.n));
  const alike = counts.every(n => n === counts[0]);
  const rows = known.map(([name, m], i) => [name, ranged(quantity(m.value), m), ...(alike ? [] : [counts[i]])]);
  const heads = [trans.__('Metric'), trans.__('Value, 95 % interval'), ...(alike ? [] : [trans.__('Rows')])];
  const told = !alike || counts[0] === '–' || counts[0] === quantity(said);
  return rows.length ? table(heads, rows, trans, told ? '' : trans.__('On %1 rows', counts[0])) : null;
}

/** Draw a value with its interval, if there is one; it goes below where room is scarce. */
export function ranged(said: string, m: Fields, show = quantity): Content {
  const [low, high] = [number(m.low), number(m.high)];
  return low === null || high === null
    ? said
    : node('span', '', said, ' ', node('span', 'nbmlops-quiet nbmlops-interval', `${show(low)} – ${show(high)}`));
}
