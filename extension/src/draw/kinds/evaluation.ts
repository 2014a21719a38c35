/** An evaluation: metrics with intervals, calibration, importance, slices. */

import { card, dotted, findings, fold, folded, IWords, quiet, table, worst } from '../nodes';
import { bars, curves } from '../plot';
import { Fields, fields, number, percent, quantity, records, text } from '../values';
import { measured, ranged } from './measured';

const UNASKED = ['muted', 'not_applicable'];
const HEADLINE = new Map([
  ['binary', 'roc_auc'],
  ['multiclass', 'accuracy'],
  ['regression', 'mae']
]);
const MOST_SHARES = 15;

/** Draw an evaluation. */
export function evaluation(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const found = worst(data.findings);
  const told = found.filter(f => !UNASKED.includes(text(f.outcome)));
  const rest = found.filter(f => UNASKED.includes(text(f.outcome)));
  const first = told.find(f => text(f.outcome) !== 'skipped'); // too few rows for one question judge nothing
  return card(
    trans.__('Evaluation of %1', text(data.model)),
    first ? text(first.outcome) : '',
    about(data, trans),
    measured(data.metrics, trans, data.rows),
    ...findings(told, trans),
    calibration(records(data.calibration, 50), trans),
    importance(fields(data.importance), trans),
    slices(data, trans),
    weakest(records(data.weakest), trans),
    fold(trans.__('Not asked (%1)', rest.length), ...findings(rest, trans, 50)),
    data.digest ? null : quiet(trans.__('Register it: %1', '%register MODEL NAME'))
  );
}

function about(data: Fields, trans: IWords): HTMLElement {
  const far = fields(data.far_off);
  const target = text(data.target);
  return dotted(
    data.task === 'binary' ? `${target} = ${text(data.positive)}` : target,
    number(data.rows) === null ? '' : trans.__('%1 rows', quantity(data.rows)),
    number(far.n) === null
      ? ''
      : trans._n(
          '%2 row far off (%3: %4)',
          '%2 rows far off (%3: %4)',
          number(far.n) ?? 0,
          quantity(far.n),
          percent(far.share),
          text(far.means)
        )
  );
}

function calibration(bins: Fields[], trans: IWords): HTMLElement | null {
  const known = bins.filter(b => number(b.predicted) !== null && number(b.observed) !== null);
  if (!known.length) {
    return null;
  }
  const xs = known.map(b => number(b.predicted) ?? 0);
  const drawn = curves(
    [
      { name: trans.__('observed'), xs, ys: known.map(b => number(b.observed) ?? 0) },
      { name: trans.__('perfect'), xs: [0, 1], ys: [0, 1] }
    ],
    trans.__('Predicted against observed share')
  );
  const rows = known.map(b => [percent(b.predicted), ranged(percent(b.observed), b, percent), quantity(b.n)]);
  const heads = [trans.__('Predicted'), trans.__('Observed, 95 % interval'), trans.__('Rows')];
  return fold(trans.__('Calibration'), drawn, table(heads, rows, trans));
}

/** Draw shares of importance; null without any. */
export function importance(shares: Fields, trans: IWords): HTMLElement | null {
  const known = Object.entries(shares).filter((entry): entry is [string, number] => number(entry[1]) !== null);
  const shown = known.slice(0, MOST_SHARES);
  const drawn = bars(
    shown.map(([name]) => text(name)),
    shown.map(([, share]) => share),
    trans.__('Share of importance'),
    trans
  );
  return shown.length ? fold(trans.__('Importance'), drawn) : null;
}

function slices(data: Fields, trans: IWords): HTMLElement | null {
  const parts = records(data.slices);
  const name = HEADLINE.get(text(data.task)) ?? Object.keys(fields(fields(parts[0]).metrics))[0] ?? 'metric';
  const rows = parts.map(part => {
    const m = fields(fields(part.metrics)[name]);
    const few = trans.__('%1 (needs %2 rows)', text(part.level), quantity(part.needs));
    const value = text(part.level) === 'ok' ? quantity(m.value) : few;
    return [text(part.slice), quantity(part.n), ranged(value, m)];
  });
  return folded(
    trans.__('Slices'),
    [trans.__('Slice'), trans.__('Rows'), trans.__('%1, 95 % interval', name)],
    rows,
    trans
  );
}

function weakest(parts: Fields[], trans: IWords): HTMLElement | null {
  const rows = parts.map(part => {
    const loss = fields(part.loss);
    return [text(part.slice), quantity(part.n), percent(part.share), ranged(quantity(loss.value), loss)];
  });
  const heads = [trans.__('Where'), trans.__('Rows'), trans.__('Share'), trans.__('Loss a row more, interval')];
  return folded(trans.__('Weakest segments'), heads, rows, trans);
}
