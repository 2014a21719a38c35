import { percent, quantity, signed } from '../src/draw/values';
import { draw, redraw } from '../src/draw/view';
import { trans } from './words';

// A fold that was opened says so a moment later: the page must still be there.
afterAll(() => new Promise(done => setTimeout(done)));

const RUN = {
  run_id: '0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000',
  name: 'first',
  experiment: 'late',
  status: 'finished',
  started_at: '2026-01-02T03:04:05.000000+00:00',
  duration_s: 1.25,
  summary: { auc: 0.71234, 'auc[split=train]': 0.9, 'system.memory': 3 },
  metrics: [{ name: 'auc', value: 0.71234, context: {}, curve: [0.5, 0.6, 0.71234] }],
  beside: { previous: { auc: 0.7 }, best: { auc: 0.7 } },
  params: [
    { name: 'C', value: 0.3, origin: 'assigned' },
    { name: 'tol', value: 1e-4, origin: 'default' }
  ],
  error: null
};

test('a run says what it is, how it ended and what it measured', () => {
  const drawn = draw('run', RUN, trans);
  expect(drawn.querySelector('.nbmlops-name')?.textContent).toBe('first');
  expect(drawn.querySelector('.nbmlops-status')?.textContent).toBe('● finished');
  const [metric] = Array.from(drawn.querySelectorAll('tbody tr'));
  expect(metric.textContent).toBe('auc0.7123 +0.01234, new best');
  expect(drawn.textContent).not.toContain('system.memory');
  expect(metric.querySelector('svg')?.getAttribute('aria-label')).toBe('auc: 0.5 – 0.7123');
});

test('a kind or version we do not know is plain text', () => {
  for (const kind of ['nonsense', 'application/vnd.nbmlops.run.v2+json', '__proto__', 'constructor', '']) {
    expect(draw(kind, RUN, trans).className).toBe('nbmlops-plain');
  }
});

test('an interval stands with its value, and how many rows there were is said once', () => {
  const auc = { value: 0.688, low: 0.6774, high: 0.6985, n: 14903 };
  const drawn = (metrics: object, rows?: number): string | null | undefined =>
    draw(rows ? 'evaluation' : 'model', { metrics, rows }, trans).querySelector('table')?.textContent;
  expect(drawn({ auc })).toBe('On 14,903 rowsMetricValue, 95 % intervalauc0.688 0.6774 – 0.6985');
  expect(drawn({ auc }, 14903)).toBe('MetricValue, 95 % intervalauc0.688 0.6774 – 0.6985');
  const two = drawn({ auc, mae: { value: 2, n: 7 } });
  expect(two).toBe('MetricValue, 95 % intervalRowsmae27auc0.688 0.6774 – 0.698514,903');
});

test('numbers that differ in their last bits alone went nowhere', () => {
  const metrics = [{ name: 'auc', value: 0.6, context: {}, curve: [0.6000000000000001, 0.6] }];
  const line = draw('run', { ...RUN, metrics }, trans).querySelector('polyline');
  expect(line?.getAttribute('points')).toBe('1,7 79,7');
});

const DRIFT = {
  subject: 'now',
  reference: 'then',
  verdict: 'alert',
  rows: 100,
  reference_rows: 200,
  findings: [
    {
      code: 'feature_drift',
      outcome: 'issue',
      level: 'alert',
      column: 'age',
      effect: 0.3,
      direction: 'median up',
      message: 'age moved',
      detail: {}
    },
    {
      code: 'range',
      outcome: 'passed',
      level: 'ok',
      column: 'age',
      effect: null,
      direction: '',
      message: 'age in range',
      detail: {}
    }
  ],
  columns: { age: { labels: ['a', 'b'], reference: [0.5, 0.5], current: [0.1, 0.9] } }
};

function open(fold: HTMLDetailsElement): void {
  fold.open = true;
  fold.dispatchEvent(new Event('toggle'));
}

test('a column of a drift report draws its distributions when it is opened, and newer ones in place', () => {
  const drawn = draw('drift', DRIFT, trans);
  const fold = drawn.querySelector('details') as HTMLDetailsElement;
  expect(fold.querySelector('svg')).toBeNull();
  open(fold);
  expect(fold.querySelector('svg')?.getAttribute('aria-label')).toContain('a 0.5 0.1, b 0.5 0.9');
  expect(fold.querySelectorAll('tbody tr').length).toBe(2);
  const newer = { ...DRIFT, columns: { age: { labels: ['a', 'b'], reference: [0.5, 0.5], current: [0.2, 0.8] } } };
  expect(redraw(drawn, 'drift', newer, trans)).toBe(drawn);
  expect(drawn.querySelector('details')).toBe(fold);
  expect(fold.open).toBe(true);
  expect(fold.querySelector('svg')?.getAttribute('aria-label')).toContain('a 0.5 0.2, b 0.5 0.8');
});

const CELLS = ['completed', 'running', 'pending'].map((status, i) => ({
  number: i + 1,
  kind: 'code',
  status,
  source: `step(${i})`
}));
const JOB = { job: 'late', state: 'running', run: { run_id: 'x1', status: 'running' }, cells: CELLS, then: [] };

test('cells of a job change in place: nothing is made anew, what is open stays open', () => {
  const drawn = draw('retrained', JOB, trans);
  document.body.replaceChildren(drawn);
  const before = Array.from(drawn.querySelectorAll('*'));
  const second = drawn.querySelectorAll('details')[1];
  second.open = true;
  const cells = CELLS.map((cell, i) =>
    i === 1 ? { ...cell, status: 'completed' } : i === 2 ? { ...cell, status: 'running' } : cell
  );
  expect(redraw(drawn, 'retrained', { ...JOB, cells }, trans)).toBe(drawn);
  expect(Array.from(drawn.querySelectorAll('*'))).toEqual(before);
  expect(second.open).toBe(true);
  expect(second.querySelector('.nbmlops-status')?.textContent).toBe('● completed');
  expect(drawn.querySelector('progress')?.value).toBe(2);
});

const RUNS = Array.from({ length: 10_000 }, (_, i) => ({
  run_id: `id${i}`,
  experiment: 'late',
  name: `trial ${i}`,
  status: 'finished',
  duration_s: i,
  'metrics.auc': (i * 37) % 10_000,
  'params.C': i % 3
}));

function rows(drawn: Element): string[] {
  return Array.from(drawn.querySelectorAll('tbody tr[data-id]')).map(row => (row as HTMLElement).dataset.id ?? '');
}

test('a table of ten thousand runs holds the rows in sight, sorts, filters and compares', () => {
  const drawn = draw('runs', { runs: RUNS, named: [], overrides: [] }, trans);
  document.body.replaceChildren(drawn);
  expect(rows(drawn).length).toBeLessThan(80);
  const auc = Array.from(drawn.querySelectorAll('th button')).find(b => b.textContent === 'auc') as HTMLButtonElement;
  auc.click();
  (drawn.querySelector('th[aria-sort=ascending] button') as HTMLButtonElement).click();
  expect(drawn.querySelector('th[aria-sort=descending]')?.textContent).toBe('auc ▼');
  expect(rows(drawn)[0]).toBe(RUNS.find(run => run['metrics.auc'] === 9999)?.run_id);
  const [first, second] = Array.from(drawn.querySelectorAll<HTMLInputElement>('tbody input'));
  first.click();
  second.click();
  const asked: unknown[] = [];
  drawn.addEventListener('nbmlops:compare', event => asked.push((event as CustomEvent).detail));
  const compare = Array.from(drawn.querySelectorAll('button')).find(
    b => b.textContent === 'Compare'
  ) as HTMLButtonElement;
  compare.click();
  expect(asked).toEqual([{ runs: rows(drawn).slice(0, 2) }]);
  expect(drawn.querySelector('article')?.textContent).toContain('What differs');
  const find = drawn.querySelector('input[type=search]') as HTMLInputElement;
  find.value = 'trial 99';
  find.dispatchEvent(new Event('input'));
  expect(drawn.querySelector('[role=status]')?.textContent).toContain('111 of 10000 runs');
});

test('newer runs keep what was sorted, ticked and typed', () => {
  const drawn = draw('runs', { runs: RUNS.slice(0, 5) }, trans);
  document.body.replaceChildren(drawn);
  (drawn.querySelectorAll('th button')[0] as HTMLButtonElement).click();
  drawn.querySelectorAll<HTMLInputElement>('tbody input')[1].click();
  const row = drawn.querySelectorAll('tbody tr[data-id]')[1];
  expect(redraw(drawn, 'runs', { runs: RUNS.slice(0, 8) }, trans)).toBe(drawn);
  expect(rows(drawn).length).toBe(8);
  expect(drawn.querySelector('th[aria-sort=ascending]')).not.toBeNull();
  expect(drawn.querySelectorAll('tbody tr[data-id]')[1]).toBe(row);
  expect(row.querySelector('input')?.checked).toBe(true);
});

test('a host may compare and open itself', () => {
  const drawn = draw('runs', { runs: RUNS.slice(0, 2) }, trans);
  drawn.addEventListener('nbmlops:open', event => event.preventDefault());
  (drawn.querySelector('tbody .nbmlops-link') as HTMLButtonElement).click();
  expect(drawn.querySelector('article')).toBeNull();
});

test('only what differs stands in a comparison, with curves over each other and changed lines', () => {
  const drawn = draw(
    'comparison',
    {
      runs: [
        { run_id: 'aaaaaa', experiment: 'late', status: 'finished' },
        { run_id: 'bbbbbb', experiment: 'late', status: 'finished' }
      ],
      rows: [
        { name: 'metrics.auc', values: [0.8, 0.7] },
        { name: 'source', values: ['a = 1\nb = 3\nc = 4', 'a = 1\nb = 2\nc = 4'] }
      ],
      curves: [{ name: 'loss', runs: [{ steps: [0, 1, 2], values: [3, 'NaN', 1] }, {}] }]
    },
    trans
  );
  expect(drawn.querySelector('tbody')?.textContent).toBe('auc0.80.7+0.1');
  expect(drawn.querySelector('figure svg')?.getAttribute('aria-label')).toBe('loss: late (aaaaaa) 1');
  expect(drawn.querySelector('pre')?.textContent).toBe(' a = 1\n-b = 2\n+b = 3\n c = 4\n');
});

test('the arrow keys walk a lineage', () => {
  const nodes = [
    { id: 'model:late@1', kind: 'model', label: 'late@1', distance: 0 },
    { id: 'run:1', kind: 'run', label: 'a run', distance: -1 }
  ];
  const edges = [{ from: 'run:1', to: 'model:late@1', what: 'made' }];
  const drawn = draw('lineage', { subject: 'model:late@1', nodes, edges, left_out: {} }, trans);
  document.body.replaceChildren(drawn);
  const [run, model] = Array.from(drawn.querySelectorAll<SVGElement>('.nbmlops-node'));
  expect([run.getAttribute('tabindex'), model.getAttribute('tabindex')]).toEqual(['-1', '0']);
  model.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowLeft', bubbles: true }));
  expect(document.activeElement).toBe(run);
  expect(drawn.querySelector('[role=status]')?.textContent).toBe('run a run; leads to late@1');
  const asked: unknown[] = [];
  drawn.addEventListener('nbmlops:open', event => asked.push((event as CustomEvent).detail));
  run.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
  expect(asked).toEqual([{ kind: 'run', ref: 'run:1' }]);
  expect(drawn.querySelector('tbody tr')?.textContent).toBe('a runmadelate@1');
});

test('what did not fit into the output is counted', () => {
  const said = 'Too long for an output, in the store only: 9,000 runs';
  expect(draw('runs', { runs: RUNS.slice(0, 3), capped: { runs: 9000 } }, trans).textContent).toContain(said);
  expect(draw('run', { ...RUN, capped: { runs: 9000 } }, trans).textContent).toContain(said);
});

test('a charter that was kept says so in words, and what it does not say yet', () => {
  const said = { path: 'charter.yaml', changed: ['problem: new'], written: true, recorded: true, missing: ['users'] };
  const drawn = draw('agreed', said, trans).textContent;
  expect(drawn).toContain('Charter kept');
  expect(drawn).toContain('problem: new');
  expect(drawn).toContain('Not said yet: users. Whose each is: nbmlops charter check');
  expect(drawn).not.toContain('true');
  expect(draw('agreed', { written: false, recorded: false }, trans).textContent).toContain('Charter unchanged');
});

test('numbers are rounded as Python rounds them: of two as near, the even one', () => {
  const told = [0.28125, 1234.5, 1235.5, 0.00012345, 999.96, 1e-100, 0.1 + 0.2, 8.5, 123456].map(quantity);
  expect(told).toEqual(['0.2812', '1,234', '1,236', '0.0001234', '1000', '1e-100', '0.3', '8.5', '123,456']);
  expect([0.0025, 0.0075, 0.0145, 0.2273, 1].map(percent)).toEqual(['0.2 %', '0.8 %', '1.5 %', '22.7 %', '100.0 %']);
  expect([0.03125, -0.03125, 0].map(v => signed(v))).toEqual(['+0.0312', '−0.0312', '+0.0000']);
});

test('what could not be judged is not called fine', () => {
  const finding = { code: 'performance', outcome: 'not_applicable', level: 'ok', message: 'no truth', detail: {} };
  const passed = { code: 'column_kind', outcome: 'passed', level: 'ok', message: 'fine', detail: {} };
  const drawn = draw('drift', { verdict: 'ok', rows: 9, findings: [finding, passed] }, trans);
  expect(drawn.querySelector('.nbmlops-quiet')?.textContent).toContain('1 ok');
  const fold = drawn.querySelector('details')!;
  fold.open = true;
  fold.dispatchEvent(new Event('toggle'));
  expect(fold.textContent).toContain('○ not judgedperformanceno truth');
});

test('params stand as they were set, metrics in each of their contexts', () => {
  const params = [
    { name: 'seed', value: 20240101, origin: 'set' },
    { name: 'rate', value: 0.000123456, origin: 'set' },
    { name: 'warm', value: true, origin: 'set' }
  ];
  const metrics = [
    { name: 'auc', value: 0.7, context: { split: 'test' } },
    { name: 'auc', value: 0.9, context: { split: 'train' }, not_finite: 2 }
  ];
  const said = draw('run', { ...RUN, params, metrics, planned: { run: 7, done: 7, of: 5 } }, trans).textContent;
  expect(said).toContain('seed20240101rate0.000123456warmTrue');
  expect(said).toContain('auc0.9split=train, 2 not finite');
  expect(said).toContain('7 runs of 5 planned');
});

test('an open flag says how it is answered', () => {
  const flag = { flag_id: '01a21965-c9ef-73c3-a3e8-6bfca15c47f3', text: 'why?', subject: 'late@1' };
  expect(draw('flag', { ...flag, state: 'open' }, trans).textContent).toContain('nbmlops flag answer a15c47f3 "..."');
  expect(draw('flag', { ...flag, state: 'answered' }, trans).textContent).not.toContain('flag answer');
});

test('a chunk of drift says why it is no longer fine, where any is not', () => {
  const chunk = { name: '2026-01', rows: 9, verdict: 'alert', findings: [{ level: 'alert', message: 'age moved' }] };
  const fine = { ...chunk, verdict: 'ok', findings: [] };
  const said = (chunks: object[]): string => draw('drift', { chunk: 'month', chunks }, trans).textContent ?? '';
  expect(said([fine, chunk])).toContain('furthest columnwhy');
  expect(said([fine, chunk])).toContain('age moved');
  expect(said([fine])).not.toContain('why');
});
