/** Why a model said what it said: each row in words and as bars, or the model as a whole. */

import { card, Content, fold, IWords, node, quiet, table } from '../nodes';
import { bars, curves } from '../plot';
import { Fields, fields, list, number, percent, quantity, records, text, texts } from '../values';
import { importance } from './evaluation';

const MOST_ROWS_SHOWN = 20;
const MOST_CURVES = 8;

/** Draw an explanation. */
export function explanation(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const rows = records(data.rows, MOST_ROWS_SHOWN);
  const model = text(data.model);
  return card(
    rows.length ? trans.__('Why %1 answers so', model) : trans.__('How %1 answers', model),
    '',
    ...texts(data.notes, 10).map(note => quiet(note)),
    ...(rows.length ? rows.map(row => one(row, data, trans)) : whole(data, trans)),
    quiet(trans.__('What moves an answer is a property of the model, not a cause of the outcome.'))
  );
}

function one(row: Fields, data: Fields, trans: IWords): HTMLElement {
  const steps = records(row.contributions);
  const rule = fields(row.rule);
  const parts: (Content | null)[] = [
    node('h4', 'nbmlops-part', head(row, data, trans)),
    ...texts(row.notes, 10).map(note => quiet(note)),
    rule.text ? node('p', '', trans.__('Rule %1 fired: %2', quantity(rule.number), text(rule.text, 600))) : null,
    steps.length ? moved(row, steps, data, trans) : null,
    ...texts(row.words, 30).map(said => node('p', '', said)),
    chance(row, steps, data, trans),
    near(row, trans)
  ];
  return node('section', '', ...parts.filter((part): part is Content => part !== null));
}

/** What was said of a row, and what is usual. */
function head(row: Fields, data: Fields, trans: IWords): string {
  const id = text(row.prediction_id);
  const name = id ? trans.__('Prediction %1', id) : trans.__('Row %1', quantity(row.row));
  const answer = `${name}: ${quantity(row.prediction)}`;
  if (number(row.answer) === null) {
    return answer;
  }
  const [now, usual] = [amount(row.answer, data), amount(row.usual, data)];
  const said = trans.__('%1; %2 is %3', answer, text(row.explains), now);
  return trans.__('%1, usual for %2 rows of the background: %3', said, quantity(fields(data.background).rows), usual);
}

/** A bar for each column, to the right where it raises the answer, to the left where it lowers it. */
function moved(row: Fields, steps: Fields[], data: Fields, trans: IWords): HTMLElement {
  const inputs = fields(row.inputs);
  const known = steps.filter(s => number(s.contribution) !== null);
  const names = known.map(s => `${text(s.column)} = ${quantity(inputs[text(s.column)])}`);
  const title = trans.__('What raises (right) and lowers (left) %1', text(row.explains));
  const scale = data.unit === 'value' ? 1 : 100;
  return bars(
    names,
    known.map(s => scale * (number(s.contribution) ?? 0)),
    data.unit === 'value' ? title : trans.__('%1, in points', title),
    trans
  );
}

/** How far chance may have moved the contributions, where something was drawn. */
function chance(row: Fields, steps: Fields[], data: Fields, trans: IWords): HTMLElement | null {
  const most = Math.max(0, ...steps.map(step => number(step.standard_error) ?? 0));
  const what = row.exact
    ? trans.__('rows of the background')
    : trans.__('rows of the background and orders of the columns');
  const error = data.unit === 'value' ? quantity(most) : trans.__('%1 points', quantity(100 * most));
  return most ? quiet(trans.__('Drawn by chance: %1; standard error of a step at most %2', what, error)) : null;
}

function near(row: Fields, trans: IWords): HTMLElement | null {
  const others = records(row.nearest, 20);
  const names = Object.keys(fields(row.inputs)).slice(0, 20);
  const heads = [trans.__('Distance'), trans.__('Answer'), ...names.map(name => text(name))];
  const line = (other: Fields, distance: string): string[] => {
    const chance = number(other.probability) === null ? '' : ` (${percent(other.probability)})`;
    const inputs = fields(other.inputs);
    return [distance, `${quantity(other.prediction)}${chance}`, ...names.map(name => quantity(inputs[name]))];
  };
  const rows = [line(row, trans.__('this row')), ...others.map(other => line(other, quantity(other.distance)))];
  return others.length ? fold(trans.__('The %1 most similar rows', others.length), table(heads, rows, trans)) : null;
}

function whole(data: Fields, trans: IWords): (Content | null)[] {
  const sentences = texts(data.sentences, 50).map(said => node('li', '', said));
  const shares = importance(fields(data.importance), trans);
  if (shares instanceof HTMLDetailsElement) {
    shares.open = true;
  }
  const drawn = records(data.dependence, MOST_CURVES).map(curve => dependence(curve, trans));
  return [
    data.measured_by ? quiet(trans.__('Importance: %1', text(data.measured_by))) : null,
    shares,
    node('div', 'nbmlops-columns', ...drawn),
    sentences.length ? node('ol', '', ...sentences) : null
  ];
}

/** How the mean answer goes with one column. */
function dependence(curve: Fields, trans: IWords): HTMLElement {
  const points = records(curve.points, 200).filter(p => number(p.mean) !== null);
  const ys = points.map(p => number(p.mean) ?? 0);
  const xs = list(points.map(p => p.value)).map(number);
  const name = text(curve.column);
  if (curve.kind === 'number' && xs.every(x => x !== null)) {
    return curves([{ name, xs: xs.map(x => x ?? 0), ys }], name);
  }
  return bars(
    points.map(p => quantity(p.value)),
    ys,
    name,
    trans
  );
}

function amount(value: unknown, data: Fields): string {
  return data.unit === 'value' ? quantity(value) : percent(value);
}
