/** Models: their versions, which one an alias names, what the gate, approvals and flags say; and what one may do. */

import { Content, Fields, fields, fold, node, quantity, quiet, records, status, text, texts } from '../draw';
import { part } from '../request';
import { Ids } from './ids';
import { act, answer, chip, IPanel, ISection, nothing, row, rows, view, Views, when } from './section';

const ID = 'models';
const FEW = 5;

/** Make the section of models. */
export function models(panel: IPanel): ISection {
  const { kept, server, trans } = panel;
  const views = new Views(panel, () => panel.redraw(ID));

  function model(known: Fields): HTMLElement[] {
    const name = text(known.name);
    const all = records(known.versions);
    const shown = kept.isOpen(`all:${name}`) ? all : all.slice(0, FEW);
    const owner = known.owner ? [' ', node('span', 'nbmlops-quiet', trans.__('owner %1', text(known.owner)))] : [];
    const head = node('h3', 'nbmlops-group', name, ...owner);
    head.dataset.key = `model ${name}`;
    const list = rows(
      trans.__('Versions of %1, newest first', name),
      shown.map(one => version(name, one))
    );
    const left = all.length - shown.length;
    return [head, list, ...(left > 0 ? [rest(name, left)] : [])];
  }

  function rest(name: string, left: number): HTMLElement {
    const made = act(trans._n('Show %1 older version', 'Show %1 older versions', left), () => {
      kept.setOpen(`all:${name}`, true);
      panel.redraw(ID);
    });
    made.dataset.key = `rest ${name}`;
    return made;
  }

  function version(name: string, one: Fields): HTMLElement {
    const ref = text(one.ref) || `${name}@${text(one.version)}`;
    const aliases = texts(one.aliases, 20).map(alias => chip(alias, trans.__('%1 names this version', alias)));
    return row(panel, ID, {
      key: `model:${ref}`,
      title: ref,
      beside: [...aliases, node('span', 'nbmlops-space'), one.created_at ? when(one.created_at) : ''],
      below: [measured(one), gate(one), approvals(one), flags(one), ...state(one)],
      inside: () => inside(name, one, ref)
    });
  }

  function measured(one: Fields): Content | null {
    const metric = fields(one.metric);
    return one.metric
      ? node('span', 'nbmlops-metric', `${text(metric.name)} `, node('b', '', quantity(metric.value)))
      : null;
  }

  function gate(one: Fields): Content | null {
    const said = fields(one.gate);
    return one.gate ? labelled(trans.__('gate'), status(text(said.verdict))) : null;
  }

  function approvals(one: Fields): Content | null {
    const said = fields(one.approvals);
    const counted = trans.__('%1 of %2', quantity(said.given), quantity(said.needed));
    return one.approvals ? labelled(trans.__('approvals %1', counted), status(text(said.state))) : null;
  }

  function flags(one: Fields): Content | null {
    const said = fields(one.flags);
    const [open, blocking] = [Number(said.open) || 0, Number(said.blocking) || 0];
    const counted = trans._n('%1 open flag', '%1 open flags', open);
    const stops = blocking ? [' ', status('blocking')] : [];
    return open ? labelled(counted, ...stops) : null;
  }

  function state(one: Fields): Content[] {
    return [
      one.refused ? status(text(one.refused)) : '',
      one.phase ? node('span', 'nbmlops-quiet', text(one.phase)) : '',
      one.override ? chip(trans.__('override'), text(one.override)) : '',
      one.author ? node('span', 'nbmlops-quiet', text(one.author)) : ''
    ].filter(Boolean);
  }

  function inside(name: string, one: Fields, ref: string): Content[] {
    const path = `models/${part(name)}/${part(text(one.version))}`;
    const said = views.get(ref, JSON.stringify(one), () => server.get(path));
    return answer(said, trans, whole => [
      buttons(name, one, ref, whole),
      ...parts(whole),
      lineage(ref, JSON.stringify(one))
    ]);
  }

  function buttons(name: string, one: Fields, ref: string, whole: Fields): HTMLElement {
    const args = { model: name, version: text(one.version) };
    const may = fields(whole.may);
    const decided = panel.promotes
      ? [
          act(trans.__('Approve…'), () => panel.run(Ids.approve, args)),
          act(trans.__('Reject…'), () => panel.run(Ids.reject, args)),
          act(trans.__('Promote…'), () => panel.run(Ids.promote, args))
        ]
      : [];
    const report = text(fields(whole.report).ref) || ref;
    const open = act(trans.__('Open the report'), () => panel.run(Ids.openReport, { ref: report }));
    const made = node('div', 'nbmlops-actions', open, ...decided);
    // Without a report nobody can answer yet: it is made when somebody wants to.
    const said = panel.promotes && whole.report ? [may.approve, may.reject].map(one => text(one, 500)) : [];
    return node('div', '', made, ...[...new Set(said.filter(Boolean))].map(one => quiet(one)));
  }

  function parts(whole: Fields): Content[] {
    const drawn = [view(whole.view, trans)];
    const folds = [
      fold(trans.__('Evaluation'), view(whole.evaluation, trans)),
      fold(trans.__('Gate'), view(whole.gate, trans)),
      fold(trans.__('Approvals'), ...records(whole.approvals, 10).map(one => view(one, trans)))
    ];
    return [...drawn, ...folds].filter((part): part is HTMLElement => part !== null);
  }

  /** Where it comes from, asked for when somebody wants to know. */
  function lineage(ref: string, sign: string): HTMLElement {
    const key = `lineage:${ref}`;
    const open = kept.isOpen(key);
    const toggle = act(open ? trans.__('Hide where it comes from') : trans.__('Where it comes from'), () => {
      kept.setOpen(key, !kept.isOpen(key));
      panel.redraw(ID);
    });
    toggle.setAttribute('aria-expanded', String(open));
    const said = open ? views.get(key, sign, () => server.get('lineage', { ref })) : null;
    const drawn = open ? answer(said, trans, whole => [view(whole, trans) ?? '']) : [];
    return node('div', 'nbmlops-lineage-of', toggle, ...drawn);
  }

  return {
    id: ID,
    title: trans.__('Models'),
    load: () => server.get('models'),
    draw: said => {
      const known = records(fields(said).models);
      const none = trans.__('No model is registered yet. In a cell after the one that fits it:');
      return known.length ? known.flatMap(model) : nothing(none, '%register model my-model');
    }
  };
}

function labelled(label: string, ...said: Content[]): HTMLElement {
  return node('span', 'nbmlops-labelled', label, ' ', ...said);
}
