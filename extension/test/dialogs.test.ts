/** What is asked before something is done for others, and what the dialog does while and after it was. */

import { ask, IForm } from '../src/dialogs';
import { Refused } from '../src/request';
import { decide, promote } from '../src/sections/deeds';
import { button, eachIn, FIRST, Lab, SECOND, section, settled } from './lab/panel';
import { trans } from './words';

let lab: Lab;
eachIn(made => (lab = made));

type Answer = Record<string, unknown>;

const dialog = (): HTMLElement | null => document.querySelector('dialog');
const said = (): string | null | undefined => dialog()?.querySelector('[role=alert]')?.textContent;
const field = (name: string): HTMLInputElement => document.querySelector(`#nbmlops-field-${name}`) as HTMLInputElement;

async function type(name: string, value: string): Promise<void> {
  field(name).value = value;
  field(name).dispatchEvent(new Event('input', { bubbles: true }));
  await settled();
}

async function enter(on: Element): Promise<void> {
  (on as HTMLElement).focus();
  on.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
  await settled();
}

/** A form with one deed, whose end is a test's. */
function form(more: Partial<IForm> = {}): { form: IForm; deeds: Answer[]; ends: [() => void, (e: Error) => void][] } {
  const deeds: Answer[] = [];
  const ends: [() => void, (e: Error) => void][] = [];
  const act = (values: Answer): Promise<void> => {
    deeds.push(values);
    return new Promise((done, fail) => ends.push([done, fail]));
  };
  const fields = [{ name: 'reason', label: 'Reason', kind: 'words', required: true } as const];
  return { form: { title: 'Promote late@2', button: 'Promote', fields, act, ...more }, deeds, ends };
}

test('it stands until it is done, does it once, and gives the keyboard back', async () => {
  const from = document.createElement('button');
  document.body.append(from);
  from.focus();
  const { form: asked, deeds, ends } = form();
  const done = ask(asked, trans);
  await type('reason', 'better');
  button('Promote').click();
  button('Promote').click();
  await enter(button('Promote'));
  expect(deeds).toEqual([{ reason: 'better' }]);
  expect(said()).toBe('Promote late@2 …');
  ends[0][0]();
  expect(await done).toBe(true);
  expect(dialog()).toBeNull();
  expect(document.activeElement).toBe(from);
});

test('Enter in a field is the button that does it', async () => {
  const fields = [{ name: 'reason', label: 'Reason', kind: 'line' } as const];
  const { form: asked, deeds, ends } = form({ fields });
  const done = ask(asked, trans);
  await type('reason', 'better');
  await enter(field('reason'));
  expect(deeds).toEqual([{ reason: 'better' }]);
  ends[0][0]();
  expect(await done).toBe(true);
});

test('nothing is sent while a required field is empty or something is wrong', async () => {
  const { form: asked, deeds } = form({ wrong: values => (values.reason === 'bad' ? 'No such reason.' : '') });
  void ask(asked, trans);
  await settled();
  button('Promote').click();
  await type('reason', 'bad');
  expect(dialog()?.querySelector('[role=status]')?.textContent).toBe('No such reason.');
  button('Promote').click();
  expect(deeds).toEqual([]);
  await type('reason', 'good');
  button('Promote').click();
  expect(deeds).toEqual([{ reason: 'good' }]);
});

test('a field says below it what is wrong with what was typed', async () => {
  const fields = [
    { name: 'trees', label: 'trees', kind: 'whole', value: 3, help: 'int: how many' } as const,
    { name: 'share', label: 'share', kind: 'number', value: 0.5 } as const
  ];
  const { form: asked, deeds } = form({ fields });
  void ask(asked, trans);
  await settled();
  const about = (name: string): (string | null | undefined)[] =>
    (field(name).getAttribute('aria-describedby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent);
  expect([about('trees'), about('share')]).toEqual([['', 'int: how many'], ['']]);
  await type('trees', '-3.5');
  expect(about('trees')).toEqual(['A whole number, such as 3.', 'int: how many']);
  expect(field('trees').getAttribute('aria-invalid')).toBe('true');
  button('Promote').click();
  expect(deeds).toEqual([]);
  await type('trees', '-3');
  expect([about('trees'), field('trees').getAttribute('aria-invalid')]).toEqual([['', 'int: how many'], 'false']);
  await type('share', '-3.5');
  expect(about('share')).toEqual(['']);
});

test('what fails is said with the way out; what was typed stays, and it may be tried again', async () => {
  const { form: asked, deeds, ends } = form();
  const done = ask(asked, trans);
  await type('reason', 'better');
  button('Promote').click();
  ends[0][1](new Refused('Somebody moved it.', 409, 'Look again.'));
  await settled();
  expect(said()).toBe('Somebody moved it.Look again.');
  expect(field('reason').value).toBe('better');
  button('Promote').click();
  expect(said()).toBe('Promote late@2 …');
  ends[1][0]();
  expect(await done).toBe(true);
  expect(deeds.length).toBe(2);
});

test('who goes away before it is done hears of it when it fails', async () => {
  const { form: asked, ends } = form();
  const done = ask(asked, trans);
  await type('reason', 'better');
  button('Promote').click();
  button('Cancel').click();
  expect(dialog()).toBeNull();
  ends[0][1](new Error('No answer.'));
  await expect(done).rejects.toThrow('No answer.');
});

test('who gives up has done nothing, also after it failed', async () => {
  const { form: asked, ends } = form();
  const done = ask(asked, trans);
  await type('reason', 'better');
  button('Promote').click();
  ends[0][1](new Error('No.'));
  await settled();
  button('Cancel').click();
  expect(await done).toBe(false);
});

test('Enter on a link reads it, and answers nothing', async () => {
  const link = document.createElement('a');
  link.href = '#report';
  const { form: asked, deeds } = form({ about: [link] });
  void ask(asked, trans);
  await type('reason', 'better');
  await enter(link);
  expect(deeds).toEqual([]);
  expect(dialog()).not.toBeNull();
});

test('Enter alone throws no work away', async () => {
  const { form: asked, deeds } = form({ fields: [], harms: true });
  const done = ask(asked, trans);
  await settled();
  expect(document.activeElement?.textContent).toBe('Go back');
  await enter(document.activeElement as Element);
  expect(await done).toBe(false);
  expect(deeds).toEqual([]);
});

const WHOLE = {
  may: { promote: {}, approve: null, reject: null, roles: [] },
  report: { digest: 'd1', url: '/nbmlops/report/1' }
};

test('an alias it has is not offered; one that was moved meanwhile is not moved', async () => {
  lab.answers.set('models/late/2', () => ({
    ...WHOLE,
    aliases: ['champion', 'challenger'],
    named: { champion: 2, challenger: 1 }
  }));
  const panel = await lab.opened('models');
  void promote(panel, panel.server.pinned(), 'late', '2');
  await settled();
  expect([...field('alias').querySelectorAll('option')].map(one => one.textContent)).toEqual([
    'challenger, in place of late@1'
  ]);
  await type('reason', 'better');
  await lab.turn(SECOND);
  button('Promote').click();
  await settled();
  const sent = lab.last('models/late/2/promote');
  expect(sent.notebook).toBe(FIRST);
  expect(sent.body).toEqual({ alias: 'challenger', reason: 'better', override: false, instead_of: 1 });
  await sent.answer({ message: 'challenger names late@3 by now.', hint: 'Look again.' }, 409);
  expect(said()).toBe('challenger names late@3 by now.Look again.');
});

test('of a version that has every alias, that is said', async () => {
  lab.answers.set('models/late/2', () => ({ ...WHOLE, aliases: ['champion'], named: { champion: 2 } }));
  const panel = await lab.opened('models');
  void promote(panel, panel.server, 'late', '2');
  await settled();
  expect(dialog()?.textContent).toContain('It is champion already.');
});

test('a report that something changed since is made anew before it is answered', async () => {
  const stale = 'Report 1 is not up to date: what was flagged changed since.';
  let may: Answer = { approve: stale, reject: stale, roles: [], outdated: true };
  lab.answers.set('models/late/2', () => ({ ...WHOLE, may }));
  const panel = await lab.opened('models');
  void decide(panel, panel.server.pinned(), 'late', '2', true);
  await settled();
  expect(dialog()?.textContent).toContain(stale);
  button('Make the next report').click();
  await settled();
  expect(lab.last('reports').body).toEqual({ ref: 'late@2', refresh: true });
  may = { approve: null, reject: null, roles: [], outdated: false };
  await lab.last('reports').answer({ digest: 'd2' });
  expect(dialog()?.textContent).toContain('You answer the report');
  expect(field('reason')).not.toBeNull();
});

test('what the report recommends is quoted, with the role one answers in', async () => {
  const says = 'Not recommended yet: not every target is shown.';
  const may = { ...WHOLE.may, roles: ['manager'] };
  lab.answers.set('models/late/2', () => ({ ...WHOLE, may, says }));
  const panel = await lab.opened('models');
  void decide(panel, panel.server.pinned(), 'late', '2', true);
  await settled();
  expect(dialog()?.querySelector('blockquote')?.textContent).toBe(says);
  expect(dialog()?.textContent).toContain('You answer as manager.');
});

test('who may not write is told so, also while the panel is closed', async () => {
  lab.answers.set('status', () => ({ api: 2, rights: { read: true, write: false } }));
  const panel = await lab.opened('models');
  panel.hide();
  await lab.turn(SECOND);
  lab.asked.length = 0;
  void decide(panel, panel.server.pinned(), 'late', '2', true);
  await settled();
  expect(lab.asked.map(one => [one.what, one.notebook])).toEqual([['status', SECOND]]);
  expect(dialog()?.textContent).toContain('You may look, not change');
});

test('the row says what was decided when the dialog closes', async () => {
  const models = (state: string): Answer => ({
    models: [{ name: 'late', versions: [{ version: 2, ref: 'late@2', phase: state }] }]
  });
  lab.answers.set('models', () => models('before'));
  lab.answers.set('models/late/2', () => WHOLE);
  const panel = await lab.opened('models');
  void decide(panel, panel.server, 'late', '2', true);
  await settled();
  await type('reason', 'I read it');
  button('Approve').click();
  await settled();
  lab.answers.delete('models');
  const sent = lab.last('models/late/2/answer');
  expect(sent.body).toMatchObject({ outcome: 'approved', reason: 'I read it', report_digest: 'd1', conditions: [] });
  await sent.answer({});
  expect(dialog()).not.toBeNull();
  lab.answers.set('models', () => models('after'));
  await lab.last('models').answer(models('after'));
  expect(dialog()).toBeNull();
  expect(section('models').textContent).toContain('after');
});

test('where the row one stood in is gone when the dialog closes, the keyboard stands on its section', async () => {
  lab.answers.set('models', () => ({ models: [{ name: 'late', versions: [{ version: 2, ref: 'late@2' }] }] }));
  const panel = await lab.opened('models');
  button('late@2').focus();
  const { form: asked } = form();
  const done = ask(asked, trans);
  await settled();
  lab.answers.set('models', () => ({ models: [] }));
  await panel.refresh('models');
  button('Cancel').click();
  await done;
  expect(document.activeElement).toBe(button('Models'));
});

test('while something is wrong the button is grey, in Labs that leave it to us too', async () => {
  const { form: asked, deeds } = form({ wrong: values => (values.reason === 'because' ? 'Say why.' : '') });
  void ask(asked, trans);
  await settled();
  expect(button('Promote').disabled).toBe(true); // nothing is filled in
  await type('reason', 'because');
  expect(button('Promote').disabled).toBe(true);
  await type('reason', 'better');
  expect(button('Promote').disabled).toBe(false);
  button('Promote').click();
  await settled();
  expect(deeds).toEqual([{ reason: 'better' }]);
});
