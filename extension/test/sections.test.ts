/** What sections do with answers that come late, with the keyboard, and with very many rows. */

import { Asked, button, eachIn, Lab, pass, section, settled } from './lab/panel';

let lab: Lab;
eachIn(made => (lab = made));

type Answer = Record<string, unknown>;

const run = (n: number, more: Answer = {}): Answer => ({
  run_id: `0190-${n}`,
  name: `run-${n}`,
  status: 'finished',
  cell_id: `cell-${n}`,
  ...more
});

/** A page of so many runs, newest first. */
function page(total: number): (asked: Asked) => Answer {
  return ({ query }) => {
    const first = Number(query.get('offset'));
    const last = Math.min(total, first + Number(query.get('limit')));
    return { total, runs: Array.from({ length: last - first }, (_, i) => run(total - first - i)) };
  };
}

const rows = (): HTMLElement[] => [...section('runs').querySelectorAll<HTMLElement>('.nbmlops-virtual > li')];
const title = (id: string): Element | null => document.querySelector(`[data-section=${id}] h2 button`);
const here = (): string => (document.activeElement as HTMLElement).textContent ?? '';
const offsets = (): (string | null)[] => lab.about('runs').map(one => one.query.get('offset'));

async function press(key: string): Promise<void> {
  document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  await settled();
}

describe('This notebook', () => {
  test('ten thousand runs are a few rows, led through by the keyboard, in pages', async () => {
    lab.answers.set('runs', page(10_000));
    await lab.opened('runs');
    expect(rows().length).toBeLessThan(60);
    expect(rows()[0].getAttribute('aria-setsize')).toBe('10000');
    const reached = section('runs').querySelectorAll('.nbmlops-virtual [tabindex="0"]');
    expect(new Set([...reached].map(one => one.closest('li'))).size).toBe(1);
    button('run-10000').focus();
    for (const [key, name] of [
      ['ArrowDown', 'run-9999'],
      ['PageDown', 'run-9989'],
      ['ArrowUp', 'run-9990'],
      ['PageUp', 'run-10000'],
      ['ArrowUp', 'run-10000'],
      ['End', 'run-1'],
      ['ArrowDown', 'run-1'],
      ['Home', 'run-10000']
    ]) {
      await press(key);
      await settled();
      expect([key, here()]).toEqual([key, name]);
      expect(rows().length).toBeLessThan(60);
    }
    expect(offsets()).toEqual(['0', '9900']);
  });

  test('a page that is awaited is not asked for again, and who scrolls past asks for where one stands', async () => {
    lab.answers.set('runs', page(10_000));
    await lab.opened('runs');
    lab.answers.delete('runs');
    const scroller = section('runs').parentElement as HTMLElement;
    for (const top of [10_000, 20_000, 30_000, 40_000, 200_000]) {
      scroller.scrollTop = top;
      scroller.dispatchEvent(new Event('scroll'));
      await pass(0.05);
    }
    expect(offsets()).toEqual(['0', '200']);
    await lab.last('runs').answer(page(10_000)(lab.last('runs')));
    expect(offsets()).toEqual(['0', '200', '4500']);
    await lab.last('runs').answer(page(10_000)(lab.last('runs')));
    expect(
      rows()
        .map(row => row.textContent)
        .join()
    ).toContain('run-5450');
    await pass(1);
    expect(lab.about('runs').length).toBe(3);
  });

  test('a page that failed is asked for in the next round, not at once and again', async () => {
    lab.answers.set('runs', page(10_000));
    await lab.opened('runs');
    lab.answers.delete('runs');
    button('run-10000').focus();
    await press('End');
    await lab.last('runs').lost();
    await pass(5);
    expect(offsets()).toEqual(['0', '9900']);
  });

  test('the keyboard stays on its run when newer ones come above it', async () => {
    lab.answers.set('runs', page(200));
    const panel = await lab.opened('runs');
    const at = button('run-198');
    at.focus();
    lab.answers.set('runs', page(203));
    await panel.refresh('runs');
    expect(document.activeElement).toBe(at);
    expect(here()).toBe('run-198');
    await press('ArrowUp');
    expect(here()).toBe('run-199');
    at.click();
    expect(lab.run).toEqual([['nbmlops:go-to-cell', { cell: 'cell-198', notebook: '' }]]);
  });

  test('a card that comes draws its own row, and no other one', async () => {
    lab.answers.set('runs', page(50));
    await lab.opened('runs');
    const changed: Node[] = [];
    const watch = new MutationObserver(found => changed.push(...found.map(one => one.target)));
    button('Card of run-48 (190-48)').click();
    await settled();
    watch.observe(section('runs'), { childList: true, subtree: true, attributes: true, characterData: true });
    await lab.last('runs/0190-48').answer({ kind: 'run', data: { run_id: '0190-48', status: 'finished' } });
    const row = rows()[2];
    expect(row.querySelector('article')?.textContent).toContain('finished');
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.every(one => row.contains(one))).toBe(true);
    watch.disconnect();
  });

  test('the card of a run in another notebook of the same id is asked for anew', async () => {
    lab.answers.set('runs', page(1));
    lab.answers.set('runs/0190-1', ({ notebook }) => ({
      kind: 'run',
      data: { run_id: '0190-1', status: 'finished', name: notebook }
    }));
    await lab.opened('runs');
    button('Card of run-1 (0190-1)').click();
    await settled();
    expect(rows()[0].textContent).toContain('first.ipynb');
    await lab.turn('second.ipynb');
    expect(rows()[0].textContent).toContain('second.ipynb');
    expect(rows()[0].textContent).not.toContain('first.ipynb');
  });

  test('the runs of a store that begins anew stand there as they are, whatever was known of the old one', async () => {
    lab.answers.set('runs', page(500));
    const panel = await lab.opened('runs');
    button('run-500').focus();
    await press('End');
    await settled();
    lab.answers.set('runs', page(0));
    await panel.refresh('runs');
    await settled();
    expect(section('runs').textContent).toContain('No tracked runs yet');
    expect(section('runs').contains(document.activeElement)).toBe(true);
    lab.answers.set('runs', page(2));
    await panel.refresh('runs');
    await settled();
    expect(rows().map(row => row.querySelector('.nbmlops-link')?.textContent)).toEqual(['run-2', 'run-1']);
  });

  test('runs that cannot be asked for any more stand below why', async () => {
    lab.answers.set('runs', page(3));
    const panel = await lab.opened('runs', 'drift');
    lab.answers.delete('runs');
    const first = rows()[0];
    for (const said of ['Locked.', 'Still locked.']) {
      void panel.refresh();
      await settled();
      await lab.last('runs').answer({ message: said, hint: 'Wait.' }, 503);
      expect(section('runs').querySelector('[role=alert]')?.textContent).toBe(`${said}Wait.`);
      expect(section('runs').querySelector('[role=status]')?.textContent).toContain('3 runs');
      expect(rows().length).toBe(3);
      expect(rows()[0]).toBe(first);
    }
    lab.answers.set('runs', page(4));
    await panel.refresh('runs');
    expect(rows().length).toBe(4);
    expect(section('runs').querySelector('[role=alert]')).toBeNull();
  });

  test('a filter that is refused says why and stays; its cross asks without it', async () => {
    lab.answers.set('runs', page(3));
    await lab.opened('runs');
    lab.answers.delete('runs');
    const filter = section('runs').querySelector('input') as HTMLInputElement;
    filter.value = 'status ==';
    filter.dispatchEvent(new Event('change'));
    await settled();
    await lab.last('runs').answer({ message: 'Half a question.', hint: "Such as: status == 'failed'" }, 400);
    expect(section('runs').querySelector('[role=alert]')?.textContent).toContain('Half a question.');
    expect(rows()).toEqual([]);
    expect(filter.value).toBe('status ==');
    lab.answers.set('runs', page(3));
    filter.value = '';
    filter.dispatchEvent(new Event('input'));
    await settled();
    expect(rows().length).toBe(3);
    expect(section('runs').querySelector('[role=alert]')).toBeNull();
  });
});

describe('Compare', () => {
  const ticks = ['a', 'b', 'c'].map(id => ({ id, name: `run ${id}` }));

  test('who unticks stands on the next one, and on the title where there is none', async () => {
    lab.answers.set('compare', () => ({ kind: 'comparison', data: { runs: [] } }));
    const panel = await lab.opened('compare');
    panel.kept.setTicks(ticks);
    await settled();
    const cross = (): HTMLElement[] => [...section('compare').querySelectorAll<HTMLElement>('.nbmlops-untick')];
    cross()[2].focus();
    cross()[2].click();
    await settled();
    expect(panel.kept.ticks.map(tick => tick.id)).toEqual(['a', 'b']);
    expect(here()).toBe('Untick all');
    (document.activeElement as HTMLElement).click();
    await settled();
    expect(section('compare').textContent).toContain('Tick two runs or more');
    expect(document.activeElement).toBe(title('compare'));
  });

  test('a lost run is said with the ticks, so that it can be unticked', async () => {
    const panel = await lab.opened('compare');
    panel.kept.setTicks(ticks.slice(0, 2));
    await settled();
    await lab.last('compare').answer({ message: 'No run a.' }, 404);
    expect(section('compare').querySelector('[role=alert]')?.textContent).toBe('No run a.');
    expect(section('compare').querySelectorAll('.nbmlops-ticked').length).toBe(2);
  });
});

describe('Models', () => {
  test('who asks for the older versions stands on the first of them', async () => {
    const versions = Array.from({ length: 9 }, (_, i) => ({ version: 9 - i, ref: `late@${9 - i}` }));
    lab.answers.set('models', () => ({ models: [{ name: 'late', versions }] }));
    await lab.opened('models');
    const more = button('Show 4 older versions');
    more.focus();
    more.click();
    expect(here()).toBe('late@4');
  });

  test('a version that changed while its answer was awaited is asked for once more', async () => {
    let phase = 'data';
    lab.answers.set('models', () => ({ models: [{ name: 'late', versions: [{ version: 1, ref: 'late@1', phase }] }] }));
    const panel = await lab.opened('models');
    button('late@1').click();
    phase = 'deployment';
    await panel.refresh('models');
    expect(lab.about('models/late/1').length).toBe(1);
    await lab.last('models/late/1').answer({ view: { kind: 'model', data: { name: 'old' } } });
    expect(lab.about('models/late/1').length).toBe(2);
    await lab.last('models/late/1').answer({ view: { kind: 'model', data: { name: 'new' } } });
    expect(section('models').textContent).toContain('new');
    await panel.refresh('models');
    expect(lab.about('models/late/1').length).toBe(2);
  });

  test('what failed inside a row is said there, and tried again later', async () => {
    lab.answers.set('models', () => ({ models: [{ name: 'late', versions: [{ version: 1, ref: 'late@1' }] }] }));
    await lab.opened('models');
    button('late@1').click();
    await settled();
    await lab.last('models/late/1').answer({ message: 'Locked.', hint: 'Wait.' }, 503);
    expect([...document.querySelectorAll('[role=alert]')].map(one => one.textContent)).toEqual(['Locked.Wait.']);
    await pass(16);
    expect(lab.about('models/late/1').length).toBe(2);
    await lab.last('models/late/1').answer({ view: { kind: 'model', data: { name: 'late' } } });
    expect(document.querySelector('[role=alert]')).toBeNull();
  });
});

test('a version that somebody refused says so in the list', async () => {
  const versions = [{ version: 1, ref: 'late@1', answers: 1, refused: 'changes requested' }];
  lab.answers.set('models', () => ({ models: [{ name: 'late', versions }] }));
  await lab.opened('models');
  expect(section('models').textContent).toContain('changes requested');
});

describe('Jobs', () => {
  const work = (status: string, more: Answer = {}): Answer => ({
    ...{ work_id: 'w', run_id: 'r', job: 'nightly', status, live: status === 'started', duration_s: null },
    ...more
  });
  const listed = (...works: Answer[]): Answer => ({ works, schedules: [], scheduler: null });

  test('a schedule that fires no more says so, and what to do', async () => {
    const asleep = { job: 'load', trigger: 'cron 0 2 * * *', next_at: null, paused: false, last: 'failed' };
    const says = 'stopped after 3 failures in a row: nbmlops jobs resume load';
    const schedules = [
      { ...asleep, state: 'stopped', says },
      { job: 'odd', state: 'broken', says: 'odd.yaml: no key' }
    ];
    lab.answers.set('jobs', () => ({ works: [], schedules: [], scheduler: null }));
    const panel = await lab.opened('jobs');
    expect(section('jobs').textContent).not.toContain('scheduler');
    lab.answers.set('jobs', () => ({ works: [], schedules, scheduler: { last_tick_at: null } }));
    await panel.refresh('jobs');
    await settled();
    for (const told of ['nbmlops scheduler run', '■ stopped', says, '■ broken', 'odd.yaml: no key']) {
      expect(section('jobs').textContent).toContain(told);
    }
  });

  test('the end of a job asks what it left behind, once', async () => {
    lab.answers.set('jobs', () => listed(work('started'), work('finished', { work_id: 'x' })));
    await lab.opened('jobs', 'runs', 'models');
    const stream = lab.last('jobs/events');
    await stream.answer('');
    lab.asked.length = 0;
    await stream.tell('job', work('started', { cells: { done: 1, total: 3 } }));
    await stream.tell('job', work('finished', { work_id: 'x', reason: 'late' }));
    expect(lab.asked).toEqual([]);
    lab.answers.set('jobs', () => listed(work('finished')));
    await stream.tell('job', work('finished'));
    expect(lab.asked.map(one => one.what).sort()).toEqual(['jobs', 'models', 'runs']);
    await stream.tell('job', work('finished', { reason: 'said again' }));
    expect(lab.about('runs').length).toBe(1);
  });

  test('a stream that ended is taken up again, also where nothing is asked in rounds', async () => {
    const panel = await lab.opened('jobs');
    panel.configure(0, ['jobs'], true);
    await settled();
    await lab.last('jobs/events').answer('');
    await lab.last('jobs/events').end();
    lab.asked.length = 0;
    await pass(11);
    expect(lab.asked.map(one => one.what)).toEqual(['jobs', 'jobs/events']);
    panel.hide();
    await lab.last('jobs/events').answer('');
    await lab.last('jobs/events').end();
    lab.asked.length = 0;
    await pass(60);
    expect(lab.asked).toEqual([]);
  });

  test('what was told while an answer was awaited is newer than it', async () => {
    lab.answers.set('jobs', () => listed(work('started')));
    const panel = await lab.opened('jobs');
    await lab.last('jobs/events').answer('');
    lab.answers.delete('jobs');
    void panel.refresh('jobs');
    await settled();
    await lab.last('jobs/events').tell('job', work('failed', { error: 'ValueError: no such month' }));
    await lab.about('jobs')[1].answer(listed(work('started')));
    expect(section('jobs').textContent).toContain('ValueError: no such month');
  });

  test('the keyboard stays on its job where others go and where it moves, and two of one name stay two', async () => {
    const [first, mine, last] = ['first', 'mine', 'last'].map(job => work('started', { work_id: job, job }));
    lab.answers.set('jobs', () => listed(first, mine, last));
    const panel = await lab.opened('jobs');
    const at = button('mine');
    at.focus();
    lab.answers.set('jobs', () => listed(mine, last));
    await panel.refresh('jobs');
    expect(document.activeElement).toBe(at);
    lab.answers.set('jobs', () => listed({ ...mine, status: 'finished', live: false }, last));
    await panel.refresh('jobs');
    const titles = (): (string | null)[] =>
      [...section('jobs').querySelectorAll('.nbmlops-row-title')].map(one => one.textContent);
    expect(titles()).toEqual(['last', 'mine']);
    expect(document.activeElement).toBe(at);
    lab.answers.set('jobs', () => listed(mine, mine, last));
    for (let round = 0; round < 3; round++) {
      await panel.refresh('jobs');
      expect(titles()).toEqual(['mine', 'mine', 'last']);
    }
  });

  test('the keyboard is not lost where a running job ends under it', async () => {
    lab.answers.set('jobs', () => listed(work('started')));
    lab.answers.set('jobs/r', () => ({ kind: 'job', data: {} }));
    await lab.opened('jobs');
    await lab.last('jobs/events').answer('');
    button('nightly').click();
    await settled();
    button('Cancel…').focus();
    lab.answers.set('jobs', () => listed(work('finished')));
    await lab.last('jobs/events').tell('job', work('finished'));
    expect(section('jobs').contains(document.activeElement)).toBe(true);
  });
});

test('a question that is answered elsewhere goes, and the keyboard stays in the section', async () => {
  const asked = ['1', '2'].map(id => ({ id, text: `question ${id}`, state: 'open' }));
  lab.answers.set('questions', () => ({ questions: asked }));
  const panel = await lab.opened('questions');
  button('question 2').focus();
  lab.answers.set('questions', () => ({ questions: asked.slice(0, 1) }));
  await panel.refresh('questions');
  expect(here()).toBe('question 1');
});
