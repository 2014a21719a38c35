/** A drift report: the verdict, what matters, and a fold for each column with its distributions. */

import {
  card,
  Content,
  dotted,
  facts,
  findings,
  fold,
  IWords,
  later,
  node,
  quiet,
  status,
  table,
  worst
} from '../nodes';
import { pair } from '../plot';
import { Fields, fields, list, number, numbers, percent, quantity, records, text, texts } from '../values';

const FEATURES = 'feature_drift';
const TOGETHER = 'multivariate';
const ASKED = ['performance', 'performance_estimated', 'target_drift', 'prediction_drift'];
const TOLD = ['issue', 'warning'];
const MOST_TOLD = 12;
const MOST_FOLDS = 300;

/** Draw a drift report. */
export function drift(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const found = worst(data.findings);
  const told = found.filter(f => matters(f) && f.code !== FEATURES);
  const episodes = records(data.episodes, MOST_TOLD).map(e => quiet(text(e.words) || text(e.message)));
  return card(
    trans.__('Drift of %1 against %2', text(data.subject), text(data.reference)),
    text(data.verdict),
    about(data, found, trans),
    ...findings(told, trans, MOST_TOLD, word),
    ...episodes,
    ...told.filter(f => f.code === TOGETHER).map(f => together(fields(f.detail), trans)),
    ...columns(found, fields(data.columns), trans),
    groups(records(data.chunks), text(data.chunk), trans),
    groups(records(data.segments), text(data.by), trans),
    all(found, trans),
    hint(text(data.verdict), trans)
  );
}

/** What a finding says of its column or of the whole: nothing is fine that nobody could judge. */
function word(finding: Fields): string {
  return finding.outcome === 'not_applicable' ? 'not judged' : text(finding.level);
}

function hint(verdict: string, trans: IWords): HTMLElement | null {
  if (verdict === 'insufficient data') {
    return quiet(trans.__('Wait for more rows: neither drift nor its absence can be shown with these.'));
  }
  const harm = trans.__('A change larger than tolerable; whether it hurts shows in the performance.');
  return verdict && verdict !== 'ok' ? quiet(harm) : null;
}

function matters(finding: Fields): boolean {
  const outcome = text(finding.outcome);
  const asked = ASKED.includes(text(finding.code))
    ? ['passed']
    : finding.code === TOGETHER
      ? ['passed', 'not_applicable']
      : [];
  return TOLD.includes(outcome) || asked.includes(outcome);
}

function about(data: Fields, found: Fields[], trans: IWords): HTMLElement {
  const words = ['alert', 'notice', 'ok', 'insufficient data'];
  const counts = words.map(level => [level, found.filter(f => word(f) === level).length] as const);
  return dotted(
    trans.__('%1 rows against %2', quantity(data.rows), quantity(data.reference_rows)),
    ...counts.filter(([, n]) => n).map(([level, n]) => `${quantity(n)} ${level}`),
    ...texts(data.notes, 10)
  );
}

/** A fold for each column, the worst first: how it changed in its head, its distributions and its other checks inside. */
function columns(found: Fields[], pictures: Fields, trans: IWords): (Content | null)[] {
  const mine = new Map<string, Fields[]>();
  for (const f of found.filter(f => text(f.column))) {
    const known = mine.get(text(f.column));
    mine.set(text(f.column), known ?? []);
    mine.get(text(f.column))?.push(f);
  }
  const features = found.filter(f => f.code === FEATURES).sort(further);
  const drawn = features.slice(0, MOST_FOLDS).map(f => column(f, mine.get(text(f.column)) ?? [], pictures, trans));
  const left = features.length - MOST_FOLDS;
  const title = features.length
    ? [node('h4', 'nbmlops-part', trans.__('Columns, those that moved furthest first'))]
    : [];
  return [...title, ...drawn, left > 0 ? quiet(trans.__('and %1 more', left)) : null];
}

function further(a: Fields, b: Fields): number {
  const order = ['alert', 'notice', 'insufficient data', 'ok'];
  return (
    order.indexOf(text(a.level)) - order.indexOf(text(b.level)) || (number(b.effect) ?? 0) - (number(a.effect) ?? 0)
  );
}

function column(finding: Fields, others: Fields[], pictures: Fields, trans: IWords): HTMLElement {
  const name = text(finding.column);
  const judged = !['skipped', 'not_applicable'].includes(text(finding.outcome));
  const change = (judged && text(finding.direction)) || text(finding.message);
  const distance = number(finding.effect) === null ? '' : trans.__('distance %1', quantity(finding.effect));
  const head = node(
    'summary',
    '',
    status(word(finding)),
    node('b', '', ` ${name} `),
    node('span', 'nbmlops-quiet', [change, distance].filter(Boolean).join(' · '))
  );
  return later(head, () => [
    picture(name, fields(pictures[name]), trans),
    details(finding, trans),
    checks(finding, others, trans)
  ]);
}

function picture(name: string, sides: Fields, trans: IWords): HTMLElement | null {
  const [was, is] = [numbers(sides.reference), numbers(sides.current)];
  const title = trans.__('%1: outlined the reference, filled the current rows', name);
  return was.length ? pair(texts(sides.labels), was, is, title) : null;
}

/** Every check of a column, the one of its distance first. */
function checks(finding: Fields, others: Fields[], trans: IWords): HTMLElement {
  const rows = [finding, ...others.filter(f => f !== finding)];
  return listed(rows, trans);
}

function listed(found: Fields[], trans: IWords): HTMLElement {
  const cells = found.map(f => [status(word(f)), text(f.code), text(f.message, 600)]);
  return table(['', trans.__('Check'), trans.__('What was found')], cells, trans);
}

function details(finding: Fields, trans: IWords): HTMLElement | null {
  const detail = fields(finding.detail);
  const shown = Object.entries(fields(detail.shown)).map(([measure, found]): [string, Content] => {
    const known = fields(found);
    return [
      text(measure),
      number(known.value) === null ? '–' : trans.__('%1 (chance %2)', quantity(known.value), quantity(known.noise))
    ];
  });
  const share = number(detail.importance) === null ? '' : percent(detail.importance);
  return facts([[trans.__('Distance'), quantity(finding.effect)], [trans.__('Importance'), share], ...shown]);
}

/** What columns show together: which carry the difference, where it lies, which rows to look at. */
function together(detail: Fields, trans: IWords): HTMLElement | null {
  const carriers = records(detail.columns).map(c => [text(c.column), percent(c.share)]);
  const regions = records(detail.regions).map(r => [text(r.words), percent(r.reference), percent(r.current)]);
  const rows = list(detail.new_looking, 20).map(quantity).join(', ');
  const heads = [trans.__('More frequent now'), trans.__('Of the reference'), trans.__('Of current rows')];
  return fold(
    trans.__('Columns together'),
    regions.length ? table(heads, regions, trans) : null,
    carriers.length ? table([trans.__('Column'), trans.__('Carries')], carriers, trans) : null,
    rows ? quiet(trans.__('Rows least like the reference (iloc): %1', rows)) : null
  );
}

function groups(rows: Fields[], by: string, trans: IWords): HTMLElement | null {
  if (!rows.length) {
    return null;
  }
  const metric =
    text(fields(rows.find(r => fields(r.performance).metric)?.performance).metric) || trans.__('performance');
  const heads = [
    by,
    trans.__('rows'),
    trans.__('verdict'),
    trans.__('target'),
    trans.__('predicted'),
    metric,
    trans.__('furthest column'),
    trans.__('why')
  ];
  const cells = rows.map(row => group(row, trans));
  const last = cells.some(row => row[heads.length - 1]) ? heads.length : heads.length - 1;
  return table(
    heads.slice(0, last),
    cells.map(row => row.slice(0, last)),
    trans,
    trans.__('By %1', by),
    100
  );
}

function group(row: Fields, trans: IWords): Content[] {
  const [measured, furthest] = [fields(row.performance), fields(row.largest)];
  const value = quantity(measured.value);
  const why = worst(row.findings).find(f => f.level === row.verdict && row.verdict !== 'ok');
  const moved = furthest.column ? `${text(furthest.column)} ${quantity(furthest.effect)}` : '–';
  return [
    text(row.name),
    quantity(row.rows),
    status(text(row.verdict)),
    quantity(row.target),
    quantity(row.prediction),
    measured.estimated ? trans.__('%1 expected', value) : value,
    moved,
    text(why?.message)
  ];
}

function all(found: Fields[], trans: IWords): HTMLElement | null {
  const told = found.filter(f => f.code !== FEATURES);
  const head = node('summary', '', trans.__('All other checks (%1)', told.length));
  return told.length ? later(head, () => [listed(told, trans)]) : null;
}
