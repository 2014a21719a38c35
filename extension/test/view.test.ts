import { draw, drawView } from '../src/draw/view';
import { trans } from './words';

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

test('a view of the server is drawn by its type', () => {
  const mime = 'application/vnd.nbmlops.run.v1+json';
  expect(drawView({ kind: 'run', mime, data: RUN }, trans).tagName).toBe('ARTICLE');
  expect(drawView(null, trans).className).toBe('nbmlops-plain');
});
