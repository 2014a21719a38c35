/** What people agreed and answered: the charter, approvals, a flag with its thread. */

import { card, Content, facts, findings, IWords, moment, node, quiet, status, table, worst } from '../nodes';
import { Fields, fields, list, number, quantity, records, text, texts } from '../values';

/** Draw a charter: what was agreed, and what is not said yet. */
export function charter(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const tables = charterTables(data, trans).filter(([, , rows]) => rows.length);
  const drawn = tables.map(([caption, heads, rows]) => table(heads, rows, trans, caption, 100));
  const title = trans.__('Charter %1', text(data.project));
  return card(title.trim(), '', facts(charterFacts(data, trans)), ...drawn, data.path ? quiet(text(data.path)) : null);
}

/** Draw a charter that was kept: what it says otherwise than before, and what it does not say yet. */
export function agreed(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const kept = data.recorded === true ? trans.__('Charter recorded') : trans.__('Charter unchanged');
  const changed = texts(data.changed, 200).map(line => node('li', '', line));
  const unsaid = trans.__('Not said yet: %1. Whose each is: nbmlops charter check', texts(data.missing, 50).join(', '));
  return card(
    data.written === true ? trans.__('Charter kept') : kept,
    '',
    changed.length ? node('ul', '', ...changed) : null,
    list(data.missing).length ? node('p', '', unsaid) : null,
    quiet(text(data.path))
  );
}

/** Draw approvals: what an alias asks for, who answered, whether it still holds, and what is missing. */
export function approvals(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const heads = [
    trans.__('Event'),
    trans.__('Role'),
    trans.__('Who'),
    trans.__('Outcome'),
    trans.__('State'),
    trans.__('Report'),
    trans.__('Until')
  ];
  const owed = [trans.__('Condition'), trans.__('Owner'), trans.__('Due'), trans.__('State')];
  const given = records(data.given).map(answer);
  const conditions = records(data.conditions).map(c => [
    text(c.text),
    text(c.owner),
    text(c.due),
    status(text(c.state))
  ]);
  return card(
    trans.__('Approvals: %1', text(data.subject)),
    standing(data),
    data.asks ? node('p', '', sentence(text(data.asks))) : null,
    given.length ? table(heads, given, trans) : null,
    conditions.length ? table(owed, conditions, trans, trans.__('Conditions')) : null,
    ...texts(data.missing, 20).map(what => node('p', '', status('missing'), ` ${what}`)),
    ...records(data.asked, 20).map(told => quiet(text(told.words))),
    ...findings(
      worst(data.findings).filter(f => ['override', 'condition'].includes(text(f.code))),
      trans
    )
  );
}

/** Draw a flag: what is said, about what, whose it is, and the thread. */
export function flag(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const title =
    data.question === true
      ? trans.__('Question about %1', text(data.subject))
      : trans.__('Flag on %1', text(data.subject));
  const thread = records(data.thread).map(a => [
    moment(a.at),
    text(a.author),
    status(text(a.state)),
    text(a.text, 2000)
  ]);
  const heads = [trans.__('When'), trans.__('Who'), trans.__('State'), trans.__('Answer')];
  return card(
    title,
    text(data.state),
    node('p', 'nbmlops-said', text(data.text, 4000)),
    facts(flagFacts(data, trans)),
    thread.length ? table(heads, thread, trans) : null,
    data.state === 'open'
      ? quiet(trans.__('Answer it: %1', `nbmlops flag answer ${text(data.flag_id).slice(-8)} "..."`))
      : null
  );
}

function standing(data: Fields): string {
  const asked = Boolean(fields(data.policy).approvals);
  if (list(data.overrides).length) {
    return 'moved against the policy';
  }
  return asked ? (data.met === true ? 'complete' : 'incomplete') : 'none is asked for';
}

function answer(a: Fields): Content[] {
  const state = node('span', '', status(text(a.state)), a.why ? ` ${text(a.why)}` : '');
  return [
    quantity(a.seq),
    text(a.role) || '–',
    text(a.who),
    status(text(a.outcome)),
    state,
    quantity(a.number),
    text(a.expires_at).slice(0, 10) || '–'
  ];
}

function flagFacts(data: Fields, trans: IWords): [string, Content][] {
  const known = text(data.known_by);
  const by = [
    text(data.author),
    data.entered_by ? trans.__('entered by %1', text(data.entered_by)) : '',
    known && `(${known})`
  ];
  const rows = number(data.rows) === null ? '' : trans.__('%1 of %2 rows', quantity(data.rows), quantity(data.of_rows));
  return [
    [trans.__('Severity'), text(data.severity)],
    [trans.__('Kind'), text(data.kind)],
    [trans.__('Where'), text(data.where)],
    [trans.__('Rows'), rows],
    [trans.__('Should be'), text(data.value)],
    [trans.__('Evidence'), texts(data.evidence, 20).join('; ')],
    [trans.__('By'), by.filter(Boolean).join(' ')],
    [trans.__('For'), text(data.role)],
    [trans.__('Owner'), text(data.owner)],
    [trans.__('At'), data.at ? moment(data.at) : ''],
    [trans.__('Id'), text(data.flag_id)],
    [trans.__('Told'), text(fields(data.told).words)]
  ];
}

function charterFacts(data: Fields, trans: IWords): [string, Content][] {
  const roles = Object.entries(fields(data.roles)).map(
    ([role, people]) => `${text(role)}: ${texts(people, 50).join(', ')}`
  );
  const users = texts(data.users, 50).map(who => {
    const needs = texts(fields(data.needs)[who], 20).join(', ');
    return needs ? `${who} (${needs})` : who;
  });
  const promotes = text(data.promotes);
  const margin = number(data.margin) === null ? '' : trans.__('%1 (margin %2)', promotes, quantity(data.margin));
  return [
    [trans.__('Vision'), text(data.vision, 2000)],
    [trans.__('Goal'), text(data.goal, 2000)],
    [trans.__('Context'), text(data.context, 2000)],
    [trans.__('Problem'), text(data.problem, 2000)],
    [trans.__('Users'), users.join(', ')],
    [trans.__('Decision'), text(data.decision, 2000)],
    [trans.__('Value'), worth(fields(data.value), trans)],
    [trans.__('Effort'), effort(fields(data.effort), trans)],
    [trans.__('Promotes'), margin || promotes],
    [trans.__('Limits'), texts(data.limits, 50).join('; ')],
    [trans.__('Implementation'), implementation(fields(data.implementation), trans)],
    [trans.__('Reviews'), reviews(data, trans)],
    [trans.__('Roles'), roles.join('; ')]
  ];
}

function worth(value: Fields, trans: IWords): string {
  const per = Object.entries(fields(value.per)).map(
    ([outcome, v]) => `${text(outcome).replace(/_/g, ' ')} ${quantity(v)}`
  );
  const error = fields(value.error);
  const cost =
    number(error.cost) === null ? '' : trans.__('%1 for a unit of %2 error', quantity(error.cost), text(error.per));
  return [[...per, cost].filter(Boolean).join(', '), text(value.unit)].filter(Boolean).join(' ');
}

function effort(known: Fields, trans: IWords): string {
  if (number(known.people) === null) {
    return '';
  }
  const said = trans.__('%1 people for %2 weeks', quantity(known.people), quantity(known.weeks));
  return number(known.per_week) === null ? said : trans.__('%1, %2 a week each', said, quantity(known.per_week));
}

function reviews(data: Fields, trans: IWords): string {
  const agenda = data.agenda_every ? trans.__('agenda %1', text(data.agenda_every)) : '';
  const days = data.review_days ? trans.__('a champion every %1 days', quantity(data.review_days)) : '';
  return [agenda, days].filter(Boolean).join(', ');
}

function implementation(how: Fields, trans: IWords): string {
  const without = how.fallback ? trans.__('without it: %1', text(how.fallback)) : '';
  return [text(how.kind), how.caller ? trans.__('for %1', text(how.caller)) : '', text(how.where), without]
    .filter(Boolean)
    .join(', ');
}

type Table = [string, string[], Content[][]];

function charterTables(data: Fields, trans: IWords): Table[] {
  const own = Object.entries(fields(data.models)).flatMap(([name, terms]) =>
    records(fields(terms).metrics).map(m => [`${text(name)}: ${text(m.text)}`, text(m.meaning)])
  );
  const owner = trans.__('Whose it is');
  return [
    [
      trans.__('Targets'),
      [trans.__('Target'), trans.__('Meaning')],
      [...records(data.metrics).map(m => [text(m.text), text(m.meaning)]), ...own]
    ],
    [
      trans.__('Questions'),
      [trans.__('Question'), trans.__('KPI'), trans.__('Metric'), owner],
      records(data.questions).map(q => [
        text(q.question),
        `${text(q.kpi)} ${text(q.unit)}`.trim(),
        text(q.metric),
        text(q.owner)
      ])
    ],
    [
      trans.__('Deliverables'),
      [trans.__('Deliverable'), trans.__('Due'), owner],
      records(data.deliverables).map(d => [text(d.name), d.done ? status('done') : text(d.due), text(d.owner)])
    ],
    [
      trans.__('Requirements'),
      [trans.__('Requirement'), trans.__('How it is known')],
      records(data.requirements).map(r => [text(r.name), required(r, trans)])
    ],
    [
      trans.__('Planned experiments'),
      [trans.__('Experiment'), trans.__('Runs'), trans.__('Hypothesis'), trans.__('Stop')],
      records(data.experiments).map(e => [text(e.name), quantity(e.runs), text(e.hypothesis), text(e.stop)])
    ],
    [
      trans.__('Not said yet'),
      [trans.__('Key'), trans.__('What it says'), owner],
      records(data.missing).map(m => [text(m.key), text(m.says), text(m.role)])
    ]
  ];
}

function required(r: Fields, trans: IWords): string {
  if (r.check) {
    const limit = number(r.limit) === null ? '' : ` ${quantity(r.limit)}`;
    return trans.__('checked: %1', `${text(r.check)}${limit}`);
  }
  return r.answer ? trans.__('answered by %1: %2', text(r.by), text(r.answer)) : trans.__('open');
}

function sentence(said: string): string {
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}.`;
}
