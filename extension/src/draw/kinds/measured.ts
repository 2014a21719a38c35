/** Metrics with their intervals, the ones people ask for first on top. */

import { IWords, table } from '../nodes';
import { Fields, fields, number, quantity } from '../values';

const FIRST = ['roc_auc', 'average_precision', 'accuracy', 'f1', 'mae', 'rmse', 'r2'];

/** Draw metrics as a table; null without any. */
export function measured(json: unknown, trans: IWords): HTMLElement | null {
  const known = Object.entries(fields(json)).map(([name, value]) => [name, fields(value)] as const);
  const rank = (name: string): number => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1);
  known.sort(([a], [b]) => rank(a) - rank(b));
  const rows = known.map(([name, m]) => [name, quantity(m.value), interval(m), quantity(m.n)]);
  const heads = [trans.__('Metric'), trans.__('Value'), trans.__('95 % interval'), trans.__('Rows')];
  return rows.length ? table(heads, rows, trans) : null;
}

/** Return an interval, nothing when there is none. */
export function interval(m: Fields): string {
  return number(m.low) === null || number(m.high) === null ? '' : `${quantity(m.low)} – ${quantity(m.high)}`;
}
