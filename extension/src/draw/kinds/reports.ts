/** A report that was written, and the reports there are: what each asks and answers. */

import { card, dotted, IWords, link, moment, node, quiet, table } from '../nodes';
import { Fields, fields, number, quantity, records, text } from '../values';

const MOST = 200;

/** Draw a report's card: what it says first, where it is. */
export function report(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const sent = text(fields(data.sent).words);
  return card(
    text(data.title) || trans.__('Report'),
    '',
    node('p', '', node('b', '', says(data))),
    data.because ? node('p', '', text(data.because, 600)) : null,
    data.url ? node('p', '', link(data.url, trans.__('Open the report'))) : null,
    data.path ? node('p', '', node('code', '', text(data.path))) : null,
    data.note ? node('p', 'nbmlops-finding', `▲ ${text(data.note, 600)}`) : null,
    sent ? quiet(sent) : null,
    dotted(
      number(data.number) ? trans.__('Report %1', quantity(data.number)) : '',
      data.as_of ? trans.__('facts as of %1', text(data.as_of)) : '',
      data.digest ? `SHA-256 ${text(data.digest).slice(0, 12)}` : ''
    )
  );
}

/** Draw the reports there are, the last made first. */
export function reports(json: unknown, trans: IWords): HTMLElement {
  const rows = records(fields(json).reports);
  if (!rows.length) {
    return card(
      trans.__('Reports'),
      '',
      quiet(trans.__('No report was made yet. Type %report for the last run of this notebook.'))
    );
  }
  const cells = rows.map(r => [
    text(r.title),
    quantity(r.number),
    says(r),
    moment(r.made_at),
    text(r.digest).slice(0, 12)
  ]);
  const heads = [
    trans.__('Report'),
    trans.__('Number'),
    trans.__('Asks and answers'),
    trans.__('Made'),
    trans.__('Hash')
  ];
  return card(trans.__('Reports'), '', table(heads, cells, trans, '', MOST));
}

/** What a report asks and answers as one line; an answer the question holds is not said twice. */
function says(data: Fields): string {
  const [question, answer] = [text(data.question), text(data.answer) || 'unknown'];
  if (question.endsWith('?')) {
    return `${question} ${answer}`;
  }
  return question.toLowerCase().includes(answer.toLowerCase()) ? question : `${question}: ${answer}`;
}
