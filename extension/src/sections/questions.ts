/** Questions: what somebody doubts, asks or corrects; to me first, open ones first. */

import { Content, Fields, fields, node, number, quiet, records, status, text } from '../draw';
import { Ids } from './ids';
import { act, chip, choice, IPanel, ISection, nothing, row, rows, when } from './section';

const ID = 'questions';
const MOST_WORDS = 2000;

/** Make the section of questions. */
export function questions(panel: IPanel): ISection {
  const { kept, server, trans } = panel;

  function controls(): HTMLElement {
    const which = [['open', trans.__('open')] as const, ['all', trans.__('all')] as const];
    const chosen = choice(trans.__('Which questions'), which, kept.chosen('questions', 'open'), value => {
      kept.choose('questions', value);
      panel.refresh(ID);
    });
    const made = node('div', 'nbmlops-controls', chosen);
    made.dataset.key = 'controls';
    return made;
  }

  function question(one: Fields): HTMLElement {
    const id = text(one.id);
    const answers = records(one.answers, 100);
    return row(panel, ID, {
      key: `question:${id}`,
      title: text(one.text),
      below: [
        one.state === 'open' ? '' : status(text(one.state)),
        one.to_me === true ? chip(trans.__('to you')) : '',
        one.blocks === true ? status('blocking') : '',
        one.severity && one.blocks !== true ? chip(text(one.severity)) : '',
        node('span', '', text(one.subject)),
        node('span', 'nbmlops-quiet', trans.__('by %1', text(one.by)), ' ', one.at ? when(one.at) : ''),
        answers.length ? node('span', 'nbmlops-quiet', trans._n('%1 answer', '%1 answers', answers.length)) : ''
      ],
      inside: () => inside(one, id, answers)
    });
  }

  function inside(one: Fields, id: string, answers: Fields[]): Content[] {
    const thread = answers.map(said =>
      node(
        'li',
        '',
        node('p', 'nbmlops-said', text(said.text, MOST_WORDS)),
        quiet(text(said.by), ' · ', when(said.at), said.state ? ` · ${text(said.state)}` : '')
      )
    );
    const asked = node('p', 'nbmlops-said', text(one.text, MOST_WORDS));
    const reply = act(trans.__('Answer…'), () => panel.run(Ids.answer, { id }));
    const to = one.to ? [quiet(trans.__('to %1', text(one.to)))] : [];
    const list = thread.length ? [node('ol', 'nbmlops-thread', ...thread)] : [];
    return [asked, ...to, ...list, node('div', 'nbmlops-actions', reply)];
  }

  return {
    id: ID,
    title: trans.__('Questions'),
    waits: waiting => {
      const count = number(waiting.questions) ?? 0;
      return count ? [chip(trans.__('%1 to you', count))] : [];
    },
    load: () => server.get('questions', { state: kept.chosen('questions', 'open') }),
    draw: said => {
      const known = records(fields(said).questions);
      const none = trans.__('No question is open. Ask one about a model, a row or a report:');
      const example = '%flag my-model@1 "Why is July so good?" --question';
      return [
        controls(),
        ...(known.length
          ? [rows(trans.__('Questions, to you and open first'), known.map(question))]
          : nothing(none, example))
      ];
    }
  };
}
