/** What rules say of rows, or what was looked for in a model: broken first, what was kept on demand. */

import { card, dotted, fold, IWords, quiet, status, table, worst } from '../nodes';
import { Fields, fields, number, quantity, text } from '../values';

const OPEN = ['issue', 'warning', 'skipped'];
const ORDER = [...OPEN, 'muted', 'not_applicable', 'passed'];
const MOST = 200;

/** Draw the answer of rules. */
export function check(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const found = worst(data.findings);
  const open = found.filter(f => OPEN.includes(text(f.outcome)));
  const rest = found.filter(f => !OPEN.includes(text(f.outcome)));
  const subject = text(data.subject);
  const model = found.length > 0 && found.every(f => 'docs' in fields(f.detail));
  return card(
    model ? trans.__('Leakage of %1', subject) : trans.__('Rules of %1', subject),
    text(data.verdict),
    about(data, found, trans),
    open.length ? rules(open, trans) : null,
    rest.length ? fold(trans._n('%1 more', '%1 more', rest.length), rules(rest, trans)) : null,
    aside(fields(data.quarantine), trans)
  );
}

function about(data: Fields, found: Fields[], trans: IWords): HTMLElement {
  const counts = ORDER.map(o => [o, found.filter(f => f.outcome === o).length] as const).filter(([, n]) => n);
  const told = counts.map(([outcome, n]) => `${quantity(n)} ${outcome.replace('_', ' ')}`);
  return dotted(trans.__('%1 rows', quantity(data.rows)), ...(told.length ? told : [trans.__('no rules')]));
}

function rules(found: Fields[], trans: IWords): HTMLElement {
  const rows = found.map(f => [status(text(f.outcome)), text(f.code), text(f.message, 600)]);
  return table(['', trans.__('Rule'), trans.__('What was found')], rows, trans, '', MOST);
}

/** Say where broken rows were written, if anybody asked for it. */
function aside(put: Fields, trans: IWords): HTMLElement | null {
  if (number(put.rows) === null) {
    return null;
  }
  return quiet(trans.__('Quarantine: %1 rows', quantity(put.rows)), put.path ? ` (${text(put.path)})` : '');
}
