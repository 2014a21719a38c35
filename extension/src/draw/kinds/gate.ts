/** A gate: the verdict, the difference with its interval, its guards, and whether the challenger may go. */

import { card, findings, fold, IWords, node, quiet, table, worst } from '../nodes';
import { IInterval, intervals } from '../plot';
import { Fields, fields, number, percent, quantity, records, signed, text, texts } from '../values';

const TOLD = ['warning', 'issue'];
const MOST_SLICES = 23;

/** Draw a gate. */
export function gate(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const guards = worst(data.findings).filter(f => f.code !== 'gate');
  const quietly = guards.filter(f => !TOLD.includes(text(f.outcome)));
  const metric = text(data.metric) || trans.__('metric');
  const rows = [
    [trans.__('challenger'), text(data.challenger), quantity(data.challenger_value)],
    [trans.__('champion'), text(data.champion), quantity(data.champion_value)]
  ];
  return card(
    trans.__('Gate'),
    text(data.verdict),
    table(['', trans.__('Model'), metric], rows, trans),
    gains(data, metric, trans),
    quiet(said(data, trans)),
    ...findings(
      guards.filter(f => TOLD.includes(text(f.outcome))),
      trans,
      20
    ),
    fold(trans._n('%1 more guard', '%1 more guards', quietly.length), ...findings(quietly, trans, 50)),
    ...ending(data, trans)
  );
}

/** The gains as a picture, the deciding one first, then slices that are guarded. */
function gains(data: Fields, metric: string, trans: IWords): HTMLElement | null {
  const slices = records(data.findings)
    .filter(f => f.code === 'slice')
    .map(f => row(text(f.column), fields(fields(f.detail).difference)))
    .slice(0, MOST_SLICES);
  const whole = row(slices.length ? trans.__('all rows') : trans.__('challenger − champion'), {
    ...data,
    value: data.difference
  });
  const known = [whole, ...slices].filter((r): r is IInterval => r !== null);
  return known.length ? intervals(known, trans.__('Gain in %1', metric), 0) : null;
}

function row(name: string, about: Fields): IInterval | null {
  const [value, low, high] = [number(about.value), number(about.low), number(about.high)];
  return value === null ? null : { name, value, low: low ?? value, high: high ?? value };
}

function said(data: Fields, trans: IWords): string {
  const share =
    data.margin !== data.tolerated && number(data.tolerated) !== null ? ` (${percent(data.tolerated)})` : '';
  const how = text(data.how);
  const gain = trans.__(
    'gain %1 (%2 to %3) on %4 rows',
    signed(data.difference),
    signed(data.low),
    signed(data.high),
    quantity(data.rows)
  );
  return [
    how ? `${gain}, ${how}` : gain,
    trans.__('margin %1', `${quantity(data.margin)}${share}`),
    trans.__('smallest gain these rows show in 4 of 5 cases: %1', quantity(data.detectable))
  ].join('; ');
}

/** Ready, or why not and whose it is. */
function ending(data: Fields, trans: IWords): HTMLElement[] {
  if (data.ready === true) {
    return [node('p', '', node('b', '', trans.__('Ready.')))];
  }
  const because = texts(data.because, 20);
  return because.length
    ? [
        node('p', '', node('b', '', trans.__('Not ready because:'))),
        node('ul', '', ...because.map(b => node('li', '', b)))
      ]
    : [];
}
