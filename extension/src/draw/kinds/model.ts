/** A model version: what it is, how good, who owns it, where it points. */

import { card, Content, dotted, facts, fold, folded, IWords, moment, node, quiet } from '../nodes';
import { bytes, Fields, fields, list, number, quantity, records, text, texts } from '../values';
import { measured } from './measured';

/** Draw a model version. */
export function model(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const signature = fields(data.signature);
  const aliases = texts(data.aliases, 20);
  const state = aliases.join(', ') || (data.evaluation ? trans.__('registered') : trans.__('not evaluated'));
  const name = text(data.ref) || `${text(data.name)}@${text(data.version)}`;
  return card(
    trans.__('Model %1', name),
    '',
    dotted(node('b', '', state), text(data.estimator), text(data.format), bytes(data.size_bytes)),
    facts(about(data, signature, trans)),
    measured(data.metrics, trans),
    flags(data.flags, trans),
    folded(
      trans.__('Signature'),
      [trans.__('Column'), trans.__('Kind'), trans.__('Seen')],
      columns(signature, trans),
      trans
    ),
    fold(trans.__('Answers'), answers(signature))
  );
}

function about(data: Fields, signature: Fields, trans: IWords): [string, Content][] {
  const decision = fields(data.decision);
  const digest = text(data.digest).slice(0, 12);
  const before = decision.from ? trans.__('was version %1', text(decision.from)) : '';
  const by = [text(decision.alias), before, text(decision.actor), text(decision.policy)].filter(Boolean).join(', ');
  return [
    [trans.__('Owner'), text(data.owner)],
    [trans.__('Registered'), data.created_at ? moment(data.created_at) : ''],
    ['SHA-256', digest],
    [trans.__('From run'), text(data.run_id).slice(-6)],
    [trans.__('Data'), texts(signature.datasets, 20).join(', ')],
    [trans.__('Background'), background(fields(signature.background), trans)],
    [trans.__('Decided'), by],
    [trans.__('Why'), text(decision.reason)]
  ];
}

function background(kept: Fields, trans: IWords): string {
  if (number(kept.rows) === null) {
    return '';
  }
  const masked = texts(kept.masked, 20).join(', ');
  const rows = trans.__('%1 of %2 rows', quantity(kept.rows), quantity(kept.of));
  return masked ? trans.__('%1, without values of %2', rows, masked) : rows;
}

function columns(signature: Fields, trans: IWords): string[][] {
  return records(signature.columns).map(c => [text(c.name), text(c.kind), seen(c, trans)]);
}

function seen(column: Fields, trans: IWords): string {
  if (number(column.distinct) !== null) {
    return trans.__('%1 values', quantity(column.distinct));
  }
  return number(column.min) === null ? '–' : `${quantity(column.min)} – ${quantity(column.max)}`;
}

function answers(signature: Fields): HTMLElement | null {
  const classes = list(signature.classes, 50).map(quantity).join(', ') || text(signature.task);
  return classes ? quiet(classes) : null;
}

/** Flags that stand against it, where the payload says so. */
function flags(value: unknown, trans: IWords): HTMLElement | null {
  const open = number(fields(value).open);
  return open ? quiet(trans._n('%1 open flag', '%1 open flags', open)) : null;
}
