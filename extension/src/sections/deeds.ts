/** What changes something for others: approve, promote, answer, run. Each asks for what it needs first. */

import { Notification } from '@jupyterlab/apputils';

import { Fields, fields, node, number, quantity, quiet, records, text, texts } from '../draw';
import { ask, IField, meanwhile, refuse, Values } from '../dialogs';
import { part, Server } from '../request';
import { IPanel } from './section';

const CONDITIONS = 'approved with conditions';

/** Approve or reject a version: the report is what is answered, and a reason goes with it. */
export async function decide(
  panel: IPanel,
  server: Server,
  model: string,
  version: string,
  yes: boolean
): Promise<void> {
  const { trans } = panel;
  const title = yes ? trans.__('Approve %1@%2', model, version) : trans.__('Reject %1@%2', model, version);
  const barred = await panel.barred();
  if (barred) {
    return refuse(title, barred, trans);
  }
  let whole = await server.get(address(model, version));
  const ref = `${model}@${version}`;
  const refused = (): string => text(fields(whole.may)[yes ? 'approve' : 'reject'], 1000);
  if (!whole.report) {
    const made = server.post('reports', { ref }); // what is answered is a report
    await meanwhile(trans.__('The report is being made'), made);
    whole = await server.get(address(model, version));
  } else if (fields(whole.may).outdated === true) {
    const act = (): Promise<Fields> => server.post('reports', { ref, refresh: true });
    const form = { title, button: trans.__('Make the next report'), fields: [], about: [quiet(refused())], act };
    if (!(await ask(form, trans))) {
      return;
    }
    whole = await server.get(address(model, version));
  }
  const why = refused();
  if (why) {
    return refuse(title, why, trans);
  }
  const [report, roles] = [fields(whole.report), texts(fields(whole.may).roles, 20)];
  const done = await ask(
    {
      title,
      button: yes ? trans.__('Approve') : trans.__('Reject'),
      about: [answeredReport(panel, report), ...quoted(panel, whole.says, roles)],
      fields: decision(panel, yes, roles),
      wrong: values => (yes ? unready(panel, values) : ''),
      act: async values => {
        await server.post(`${address(model, version)}/answer`, {
          outcome: values.outcome,
          reason: values.reason,
          role: values.role || null,
          conditions: conditions(values),
          report_digest: report.digest
        });
        await panel.refresh('models');
      }
    },
    trans
  );
  if (done) {
    void panel.refresh();
  }
}

/** Make an alias name a version: for a reason, and only where the policy has what it asks for. */
export async function promote(panel: IPanel, server: Server, model: string, version: string): Promise<void> {
  const { trans } = panel;
  const title = trans.__('Promote %1@%2', model, version);
  const barred = await panel.barred();
  if (barred) {
    return refuse(title, barred, trans);
  }
  const whole = await server.get(address(model, version), { deciding: 1 });
  const may = fields(fields(whole.may).promote);
  const named = fields(whole.named);
  const all = texts(whole.aliases, 50);
  const aliases = all.filter(alias => text(named[alias]) !== version);
  if (!aliases.length) {
    const has = trans.__('It is %1 already.', all.join(', '));
    const none = trans.__('No alias can be given to it. The charter names aliases under policy.');
    return refuse(title, all.length ? has : none, trans);
  }
  const missing = (values: Values): string => text(may[text(values.alias)], 1000);
  const said = (alias: string): string =>
    named[alias] ? trans.__('%1, in place of %2@%3', alias, model, quantity(named[alias])) : alias;
  const done = await ask(
    {
      title,
      button: trans.__('Promote'),
      fields: [
        {
          name: 'alias',
          label: trans.__('Alias'),
          kind: 'choice',
          options: aliases.map(a => [a, said(a)] as const),
          value: aliases[0]
        },
        { name: 'reason', label: trans.__('Reason'), kind: 'words', required: true },
        ...(aliases.some(a => may[a]) ? [override(panel)] : [])
      ],
      wrong: values => (values.override === true ? '' : missing(values)),
      act: async values => {
        await server.post(`${address(model, version)}/promote`, {
          alias: values.alias,
          reason: values.reason,
          override: values.override === true,
          instead_of: number(named[text(values.alias)]) ?? 0
        });
        await panel.refresh('models');
      }
    },
    trans
  );
  if (done) {
    void panel.refresh();
  }
}

/** Answer a question. */
export async function reply(panel: IPanel, server: Server, question: Fields): Promise<void> {
  const { trans } = panel;
  const title = trans.__('Answer about %1', text(question.subject));
  const barred = await panel.barred();
  if (barred) {
    return refuse(title, barred, trans);
  }
  const states = [
    ['', trans.__('leave it as it is')] as const,
    ['answered', trans.__('answered')] as const,
    ['accepted', trans.__('accepted: it is right')] as const,
    ['dismissed', trans.__('dismissed: it is not so')] as const
  ];
  await ask(
    {
      title,
      button: trans.__('Answer'),
      about: [
        node('blockquote', 'nbmlops-said', text(question.text, 2000)),
        quiet(trans.__('by %1', text(question.by)))
      ],
      fields: [
        { name: 'text', label: trans.__('Your answer'), kind: 'words', required: true },
        { name: 'state', label: trans.__('What becomes of it'), kind: 'choice', options: states, value: '' }
      ],
      act: async values => {
        await server.post(`questions/${part(text(question.id))}/answer`, {
          text: values.text,
          state: values.state || null
        });
        await panel.refresh('questions');
      }
    },
    trans
  );
}

/** Run the open notebook as a job, saved first, with its parameters as a form of their types. */
export async function runAsJob(panel: IPanel): Promise<boolean> {
  const { trans } = panel;
  const server = panel.server.pinned();
  const [notebook, open] = [panel.path(), panel.notebook()];
  if (!open || !notebook) {
    throw new Error(trans.__('Open the notebook to run.'));
  }
  if (open.context.model.dirty) {
    await open.context.save(); // what is run is what one sees
  }
  const known = await server.get('parameters');
  const title = trans.__('Run %1 as a job', notebook.split('/').pop());
  const why = (await panel.barred()) || text(known.why_not, 1000);
  if (why) {
    await refuse(title, why, trans);
    return false;
  }
  const all = records(known.parameters, 200);
  const about = all.length
    ? trans.__('It runs in a process of its own; your kernel is left alone.')
    : noParameters(panel);
  return ask(
    {
      title,
      button: trans.__('Run'),
      about: [quiet(about)],
      fields: all.map(parameter),
      act: async values => {
        const made = await server.post('jobs', { notebook, parameters: given(all, values) });
        Notification.success(trans.__('The job has begun: run %1.', text(made.run_id).slice(-6)), { autoClose: 3000 });
      }
    },
    trans
  );
}

function address(model: string, version: string): string {
  return `models/${part(model)}/${part(version)}`;
}

/** The report that is answered, by a link to read it first. */
function answeredReport(panel: IPanel, report: Fields): HTMLElement {
  const { server, trans } = panel;
  const to = server.trusted(report.url);
  const link = node('a', 'nbmlops-link', trans.__('the report'));
  link.href = to;
  link.target = '_blank';
  link.rel = 'noopener';
  const digest = trans.__(' (%1), as it is now.', text(report.digest).slice(0, 12));
  return node('p', '', trans.__('You answer '), to ? link : trans.__('the report'), digest);
}

/** What page one of it recommends, and the role one answers in where there is only one. */
function quoted(panel: IPanel, said: unknown, roles: readonly string[]): HTMLElement[] {
  const { trans } = panel;
  return [
    ...(said ? [node('blockquote', 'nbmlops-said', text(said, 500))] : []),
    ...(roles.length === 1 ? [quiet(trans.__('You answer as %1.', roles[0]))] : [])
  ];
}

function decision(panel: IPanel, yes: boolean, roles: readonly string[]): IField[] {
  const { trans } = panel;
  const outcomes = yes
    ? [['approved', trans.__('approved')] as const, [CONDITIONS, trans.__('approved with conditions')] as const]
    : [['rejected', trans.__('rejected')] as const, ['changes requested', trans.__('changes requested')] as const];
  const condition = trans.__('A line each: what; who; day. For "approved with conditions" only.');
  return [
    { name: 'outcome', label: trans.__('Outcome'), kind: 'choice', options: outcomes, value: outcomes[0][0] },
    { name: 'reason', label: trans.__('Reason'), kind: 'words', required: true },
    ...(roles.length > 1
      ? [
          {
            name: 'role',
            label: trans.__('As'),
            kind: 'choice',
            options: roles.map(r => [r, r] as const),
            value: roles[0]
          } as IField
        ]
      : []),
    ...(yes ? [{ name: 'conditions', label: trans.__('Conditions'), kind: 'words', help: condition } as IField] : [])
  ];
}

function unready(panel: IPanel, values: Values): string {
  const { trans } = panel;
  const lines = conditions(values);
  if (values.outcome !== CONDITIONS) {
    return lines.length ? trans.__('Conditions go with the outcome "approved with conditions".') : '';
  }
  if (!lines.length) {
    return trans.__('Name at least one condition.');
  }
  return lines.every(line => line.what && line.owner && line.due) ? '' : trans.__('Each line needs: what; who; day.');
}

function conditions(values: Values): { what: string; owner: string; due: string }[] {
  const lines = text(values.conditions, 20_000).split('\n');
  return lines
    .filter(line => line.trim())
    .map(line => {
      const [what = '', owner = '', due = ''] = line.split(';').map(part => part.trim());
      return { what, owner, due };
    });
}

function override(panel: IPanel): IField {
  const { trans } = panel;
  const help = trans.__('Only who may override in the charter; the log says so, and somebody else reviews it.');
  return { name: 'override', label: trans.__('Promote all the same (override)'), kind: 'tick', help };
}

function noParameters(panel: IPanel): string {
  const { trans } = panel;
  return trans.__('It has no parameters: tag a cell "parameters" to have some. It runs in a process of its own.');
}

/** A parameter as a field of its type; lists and the like are typed as they stand in the notebook. */
function parameter(about: Fields): IField {
  const name = text(about.name);
  const type = text(about.type).replace(/ \| None$/, '');
  const choices = texts(about.choices, 200);
  const help = [text(about.type), text(about.help, 500)].filter(Boolean).join(': ');
  const common = { name, label: name, help, value: plain(about.default), required: about.required === true };
  if (choices.length) {
    return { ...common, kind: 'choice', options: choices.map(one => [one, one] as const) };
  }
  const kinds: Record<string, IField['kind']> = { int: 'whole', float: 'number', bool: 'tick' };
  const kind = kinds[type] ?? 'line';
  return kind === 'tick'
    ? { ...common, kind, value: text(about.default) === 'True' || about.default === true, required: false }
    : { ...common, kind };
}

/** A default as one types it: a text without its quotes. */
function plain(value: unknown): unknown {
  const quoted = typeof value === 'string' ? /^(['"])([^\\]*)\1$/.exec(value) : null;
  return quoted ? quoted[2] : value === 'None' ? '' : value;
}

/** What differs from how the form began: the rest stays as the notebook has it. */
function given(all: Fields[], values: Values): Fields {
  const changed = all.filter(about => {
    const began = parameter(about).value;
    const now = values[text(about.name)];
    return typeof now === 'number' ? now !== Number(began) : now !== null && now !== began && !(now === '' && !began);
  });
  return Object.fromEntries(
    changed.map(about => [text(about.name), typed(text(about.type), values[text(about.name)])])
  );
}

/** A list or the like as JSON where it is some, as it was typed where not: the server says what is wrong with it. */
function typed(type: string, value: unknown): unknown {
  if (typeof value !== 'string' || !/^(list|tuple|set|dict|any)\b/.test(type)) {
    return value;
  }
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
