/** When the panel asks, whom an answer is of, and what it says where there is none. */

import { button, eachIn, FIRST, Lab, pass, SECOND, section, see, settled } from './lab/panel';

let lab: Lab;
eachIn(made => (lab = made));

const versions = (phase: string): Record<string, unknown> => ({
  models: [{ name: 'late', versions: [{ version: 1, ref: 'late@1', phase }] }]
});
const alerts = (): (string | null)[] => [...document.querySelectorAll('[role=alert]')].map(one => one.textContent);

test('open, it asks for its open sections now and every 15 seconds', async () => {
  await lab.opened('runs', 'models');
  expect(lab.asked.map(one => one.what)).toEqual(['status', 'runs', 'models']);
  await pass(31);
  expect(lab.about('runs').length).toBe(3);
  expect(lab.about('status').length).toBe(1);
  expect(lab.about('jobs').length).toBe(0);
});

test('titles say what waits, also closed ones, by one question a round', async () => {
  const waits = (): (string | null)[] =>
    [...document.querySelectorAll('.nbmlops-waits')].map(one => one.textContent).filter(Boolean);
  const [first, second] = ['2026-01-05T10:00:00+00:00', '2026-01-05T11:00:00+00:00'];
  let failed = [first];
  lab.answers.set('waiting', () => ({ questions: 2, drift: 'alert', running: 1, failed }));
  const panel = await lab.opened('runs');
  expect(waits()).toEqual(['2 to you', '■ failed 1', '■ alert']);
  expect(lab.counted.length).toBe(1);
  const title = document.querySelector('[data-section=jobs] h2 button') as HTMLElement;
  expect(title.getAttribute('aria-label')).toBe('Jobs');
  const about = title.getAttribute('aria-describedby') ?? '';
  expect(document.getElementById(about)?.textContent).toBe('■ failed 1');

  title.click();
  expect(waits()).toEqual(['2 to you', '▲ running 1', '■ alert']); // at once
  title.click();
  await pass(15);
  expect(waits()).toEqual(['2 to you', '▲ running 1', '■ alert']); // somebody looked
  failed = [second, first];
  await pass(15);
  expect(waits()).toEqual(['2 to you', '■ failed 1', '■ alert']);
  expect(lab.counted.length).toBe(3);

  lab.answers.delete('waiting');
  await lab.turn(SECOND);
  expect(waits()).toEqual([]); // of another project, perhaps
  await lab.counted[3].answer({ message: 'The store is away.', hint: '' }, 503);
  expect(alerts()).toEqual([]);
  panel.hide();
  await pass(60);
  expect(lab.counted.length).toBe(4);
});

test('a hidden page asks nothing, and asks at once when it is seen again', async () => {
  const panel = await lab.opened('models', 'jobs');
  const stream = lab.last('jobs/events');
  see(false);
  expect(stream.signal?.aborted).toBe(true);
  lab.asked.length = 0;
  await pass(120);
  await panel.refresh();
  await panel.refresh('models');
  expect(lab.asked).toEqual([]);
  see(true);
  await settled();
  expect(lab.asked.map(one => one.what)).toEqual(['models', 'jobs', 'jobs/events']);
});

test('a panel behind another one asks nothing', async () => {
  const panel = await lab.opened('models');
  panel.hide();
  lab.asked.length = 0;
  await pass(120);
  expect(lab.asked).toEqual([]);
  panel.show();
  await settled();
  expect(lab.about('models').length).toBe(1);
});

test('what is disposed asks nothing and listens to nothing', async () => {
  const panel = await lab.opened('models', 'jobs');
  const stream = lab.last('jobs/events');
  panel.dispose();
  lab.asked.length = 0;
  see(true);
  await pass(120);
  await stream.end();
  await pass(60);
  expect(lab.asked).toEqual([]);
  expect(stream.signal?.aborted).toBe(true);
});

test('a closed section asks nothing, whatever happens', async () => {
  const panel = await lab.opened('models');
  await panel.refresh('questions');
  panel.kept.setTicks([
    { id: 'a', name: 'a' },
    { id: 'b', name: 'b' }
  ]);
  await settled();
  expect(lab.about('compare').length + lab.about('questions').length).toBe(0);
  button('Compare').click();
  await settled();
  expect(lab.last('compare').query.get('runs')).toBe('a,b');
});

test('an older answer does not undo a newer one', async () => {
  lab.answers.delete('models');
  const panel = await lab.opened('models');
  const older = lab.last('models');
  void panel.refresh('models');
  await settled();
  await lab.last('models').answer(versions('new'));
  expect(section('models').textContent).toContain('new');
  await older.answer(versions('old'));
  expect(section('models').textContent).toContain('new');
  expect(section('models').textContent).not.toContain('old');
});

test('what another notebook was told is not shown for this one', async () => {
  lab.answers.delete('models');
  await lab.opened('models');
  await lab.last('models').answer(versions('of the first'));
  await lab.turn(SECOND);
  expect(section('models').inert).toBe(true);
  const [, second] = lab.about('models');
  expect([second.notebook, lab.last('status').notebook]).toEqual([SECOND, SECOND]);
  await second.answer({ message: 'Away.' }, 404);
  expect(section('models').textContent).toBe('Away.');
  expect(section('models').inert).toBe(false);
});

test('the name of a project that comes late is not put over that of the open notebook', async () => {
  lab.answers.delete('status');
  await lab.opened('models');
  const first = lab.last('status');
  await lab.turn(SECOND);
  const second = lab.last('status');
  expect([first.notebook, second.notebook]).toEqual([FIRST, SECOND]);
  await second.answer({ api: 2, project: 'of the second' });
  await first.answer({ api: 2, project: 'of the first' });
  expect(document.querySelector('.nbmlops-about')?.textContent).toContain('of the second');
  expect(lab.about('models').map(one => one.notebook)).toEqual([SECOND]);
});

test('that the notebook before could not be asked about is not said of this one', async () => {
  lab.answers.delete('status');
  await lab.opened('models');
  const first = lab.last('status');
  await lab.turn(SECOND);
  await lab.last('status').answer({ api: 2, project: 'of the second' });
  await first.answer({ message: 'No such folder.' }, 500);
  expect(alerts()).toEqual([]);
});

test('a section that was refused says so itself, once; the others go on', async () => {
  lab.answers.delete('models');
  const panel = await lab.opened('models', 'drift');
  await lab.last('models').answer(versions('known'));
  for (let round = 0; round < 8; round++) {
    void panel.refresh();
    await pass(1);
    await lab.last('models').answer({ message: 'No such thing.', hint: 'Type: nbmlops doctor' }, 500);
  }
  expect(alerts()).toEqual(['No such thing.Type: nbmlops doctor']);
  expect(section('models').textContent).toContain('known');
  expect(lab.about('drift').length).toBe(9);
  await pass(20);
  await lab.last('models').answer(versions('again'));
  expect(alerts()).toEqual([]);
});

test('a server that is away is said once, asked less and less, and no more after five times', async () => {
  await lab.opened('models', 'drift');
  lab.answers.clear();
  for (let round = 0; round < 5; round++) {
    await pass(300);
    const waiting = lab.asked.filter(one => one.what !== 'jobs/events').slice(-2);
    for (const one of waiting) {
      await one.lost();
    }
    expect(alerts().length).toBe(1);
  }
  expect(alerts()[0]).toContain('Failed to fetch');
  expect(alerts()[0]).toContain('Asking has paused after 5 failures.');
  lab.asked.length = 0;
  await pass(3600);
  expect(lab.asked).toEqual([]);
  button('Try again').click();
  await settled();
  await lab.last('status').answer({ api: 2, project: 'p' });
  await lab.last('models').answer(versions('back'));
  await lab.last('drift').answer({ models: [] });
  expect(alerts()).toEqual([]);
  await pass(16);
  expect(lab.about('models').length).toBe(2);
});

test('another notebook is asked about though it had paused', async () => {
  await lab.opened('models');
  lab.answers.clear();
  for (let round = 0; round < 5; round++) {
    await pass(300);
    await lab.asked[lab.asked.length - 1].lost();
  }
  lab.asked.length = 0;
  await lab.turn(SECOND);
  expect(lab.asked.map(one => [one.what, one.notebook])).toEqual([['status', SECOND]]);
});

test('no rounds of its own where the settings say so', async () => {
  const panel = await lab.opened('models');
  panel.configure(0, ['models', 'jobs'], true);
  await settled();
  lab.asked.length = 0;
  await pass(3600);
  expect(lab.asked).toEqual([]);
  void panel.refresh();
  await settled();
  expect(lab.about('models').length).toBe(1);
});

test('what is pressed twice is done once', async () => {
  const panel = await lab.opened();
  panel.run('nbmlops:run-as-job');
  panel.run('nbmlops:run-as-job');
  panel.run('nbmlops:retry-job', { run: 'a' });
  expect(lab.run.length).toBe(2);
  await pass(0.3);
  panel.run('nbmlops:retry-job', { run: 'a' }); // done already: a server may be quicker than two clicks
  expect(lab.run.length).toBe(2);
  await pass(0.3);
  panel.run('nbmlops:retry-job', { run: 'a' });
  expect(lab.run.length).toBe(3);
});

test('who may not even look is told so', async () => {
  lab.answers.delete('status');
  await lab.opened('models');
  await lab.last('status').answer({ message: 'Forbidden', hint: 'Ask who runs it.' }, 403);
  expect(alerts()).toEqual(['The server does not answer as it should.ForbiddenAsk who runs it.']);
});

test('where the server is away, nothing of another notebook stands there, and nothing that it loads', async () => {
  lab.answers.set('models', () => versions('of the first'));
  await lab.opened('models');
  expect(section('models').textContent).toContain('of the first');
  lab.answers.delete('status');
  await lab.turn(SECOND);
  await lab.last('status').lost();
  expect(alerts().length).toBe(1);
  expect(section('models').textContent).toBe('');
  expect(section('questions').textContent).toBe('');
});

test('nothing is asked before it is known what was open', async () => {
  let known: (kept: Record<string, unknown>) => void = () => undefined;
  lab.fetch = () => new Promise(done => (known = done));
  await lab.opened();
  await pass(1);
  expect(lab.asked).toEqual([]);
  known({ open: ['runs'], chosen: { scope: 'project' } });
  await settled();
  expect(lab.last('runs').query.get('scope')).toBe('project');
  expect(section('runs').querySelector('select')?.value).toBe('project');
});

test('open rows, choices and ticks are there again when the page is loaded', async () => {
  lab.answers.set('models', () => versions('v'));
  const panel = await lab.opened('models');
  button('late@1').click();
  panel.kept.choose('questions', 'all');
  panel.kept.tick({ id: 'a', name: 'forest' }, true);
  button('Questions').click();
  await settled();
  const kept = lab.kept;
  lab.close();
  lab = new Lab();
  lab.kept = kept;
  lab.answers.set('models', () => versions('v'));
  const again = await lab.opened();
  expect(again.kept.ticks).toEqual([{ id: 'a', name: 'forest' }]);
  expect(lab.last('questions').query.get('state')).toBe('all');
  expect(button('late@1').getAttribute('aria-expanded')).toBe('true');
  lab.close();
});
