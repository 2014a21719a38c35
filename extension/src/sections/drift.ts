/** Drift: of each model the newest check, and the episodes in which its data was another. */

import { Content, dotted, Fields, fields, node, quiet, records, status, text } from '../draw';
import { part } from '../request';
import { Ids } from './ids';
import { act, answer, IPanel, ISection, nothing, row, rows, view, Views, when } from './section';

const ID = 'drift';
const MOST = 20;

/** Make the section of drift. */
export function drift(panel: IPanel): ISection {
  const { server, trans } = panel;
  const views = new Views(panel, () => panel.redraw(ID));

  function model(one: Fields): HTMLElement {
    const name = text(one.name);
    const episodes = records(one.episodes);
    const open = episodes.filter(e => !e.closed_at).length;
    return row(panel, ID, {
      key: `drift:${name}`,
      title: text(one.ref) || name,
      beside: [node('span', 'nbmlops-space'), one.checked_at ? when(one.checked_at) : ''],
      below: [
        one.verdict ? status(text(one.verdict)) : node('span', 'nbmlops-quiet', trans.__('never checked')),
        open ? node('span', '', trans._n('%1 open episode', '%1 open episodes', open)) : ''
      ],
      inside: () => inside(one, name, episodes)
    });
  }

  function inside(one: Fields, name: string, episodes: Fields[]): Content[] {
    const report = text(one.report) || `drift:${name}`;
    const actions = act(trans.__('Open the report'), () => panel.run(Ids.openReport, { ref: report }));
    const list = node('ul', 'nbmlops-episodes', ...episodes.slice(0, MOST).map(episode));
    list.setAttribute('aria-label', trans.__('Episodes of %1', name));
    const left = episodes.length - MOST;
    return [
      ...(one.checked_at ? [node('div', 'nbmlops-actions', actions)] : []),
      ...(episodes.length ? [list] : [quiet(trans.__('No episode.'))]),
      ...(left > 0 ? [quiet(trans.__('and %1 more', left))] : []),
      ...(one.checked_at ? newest(one, name) : [])
    ];
  }

  function episode(one: Fields): HTMLElement {
    const until = one.closed_at ? [' – ', when(one.closed_at)] : [' – ', trans.__('now')];
    const span = node('span', '', when(one.opened_at), ...until);
    const what = node('strong', '', text(one.column) || trans.__('all columns'));
    return node(
      'li',
      '',
      dotted(status(text(one.level)), what, text(one.state), span),
      node('p', '', text(one.message, 600))
    );
  }

  function newest(one: Fields, name: string): Content[] {
    const said = views.get(name, JSON.stringify(one), () => server.get(`drift/${part(name)}`));
    return answer(said, trans, whole => [view(whole, trans) ?? '']);
  }

  return {
    id: ID,
    title: trans.__('Drift'),
    waits: waiting => (waiting.drift ? [status(text(waiting.drift))] : []),
    load: () => server.get('drift'),
    draw: said => {
      const known = records(fields(said).models);
      const none = trans.__('No model was checked yet. Compare newer data with what it was made of:');
      return known.length
        ? [rows(trans.__('Models'), known.map(model))]
        : nothing(none, '%drift newer --against my-model@1');
    }
  };
}
