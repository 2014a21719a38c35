/** Every kind with JSON nobody vouches for: nothing throws, nothing runs, nothing is endless. */

import { address } from '../src/draw/values';
import { draw, DRAWINGS, redraw } from '../src/draw/view';
import { trans } from './words';

// A fold that was opened says so a moment later: the page must still be there.
afterAll(() => new Promise(done => setTimeout(done)));

const IMAGE = '<img src=x onerror=window.broken=1>';
const SCRIPT = 'javascript:window.broken=1';
const MOST_ELEMENTS = 40_000;
const MOST_TEXT = 2_000_000;

/** Every name any payload uses, so that wrong values arrive wherever a drawing looks. */
const NAMES = (
  'about actor agenda_every aliases answer answers artifacts asked asks at attempt author background beside because best bins ' +
  'by calibration caller cause cell_id cells challenger challenger_value champion champion_value charter check chunk chunks ' +
  'classes code column columns commit conditions content context count counts created_at current curve curves cuts data ' +
  'datasets decision defaults deliverables detail detectable difference digest direction distance distinct done due duration_s ' +
  'edges effect effort entered_by episodes error estimator evaluation evidence expires_at experiment experiments explained ' +
  'far_off features findings fingerprint flag_id flags format from git given goal high how id implementation importance ' +
  'inputs kept kernel key kind known_by kpi label labels largest left_out level limit limits lock loss low margin mean meaning ' +
  'median message met metric metrics missing missing_max model models most n name named needs new_looking next_at nodes ' +
  'nearest notebook noise notes notify number objective observed of of_rows open order origin output outcome overrides owner ' +
  'parameters params path pieces planned policy positive predicted prediction previous problem process progress project ' +
  'promotes quarantine query question questions reason ref reference reference_rows regions report requirements role roles ' +
  'rows run run_id runs says segments seq severity shapes share shown signature size_bytes slice slices source spikes ' +
  'started_at state status steps strength subject summary tags target task text then thread times title to told tolerated ' +
  'top top_share total traceback tracking_s trigger unit url users value values verdict version vision weakest what when_text ' +
  'where who why why_not words works xs ys __proto__ constructor toString hasOwnProperty'
).split(' ');

/** An object with a value under every name; `__proto__` is a key of its own, as JSON.parse makes it. */
function everywhere(value: unknown): unknown {
  const made = {};
  NAMES.forEach(name => Object.defineProperty(made, name, { value, enumerable: true }));
  return made;
}

function deep(levels: number): unknown {
  let made: unknown = IMAGE;
  for (let i = 0; i < levels; i++) {
    made = i % 2 ? [made] : { findings: made, rows: made };
  }
  return made;
}

const long = 'x'.repeat(200_000);
const HOSTILE: Record<string, unknown> = {
  nothing: null,
  text: 'text',
  number: 7,
  list: [1, 2, 3],
  empty: {},
  'nulls everywhere': everywhere(null),
  'texts everywhere': everywhere('NaN'),
  'markup everywhere': everywhere(IMAGE),
  'scripts for addresses': everywhere(SCRIPT),
  'numbers everywhere': everywhere(-1),
  'huge numbers everywhere': everywhere(1.7e308),
  'true everywhere': everywhere(true),
  'lists everywhere': everywhere([null, 'NaN', IMAGE, 1, [], {}]),
  'objects everywhere': everywhere({ length: -1, name: IMAGE, value: 'Infinity' }),
  'objects with all names everywhere': everywhere([everywhere(IMAGE), everywhere(3), everywhere([1, 2, 3])]),
  'objects of objects': everywhere(everywhere(everywhere(IMAGE))),
  'long texts everywhere': everywhere(long.slice(0, 5000)),
  'one long text': { run_id: long, name: long, message: long, source: long, text: long },
  'huge lists': {
    runs: Array(30_000).fill({ run_id: IMAGE }),
    rows: Array(30_000).fill(1),
    findings: Array(30_000).fill({ message: IMAGE }),
    nodes: Array(30_000).fill({ id: 1, distance: 0 }),
    edges: Array(30_000).fill({}),
    columns: Array(30_000).fill({ name: IMAGE }),
    cells: Array(30_000).fill({ source: IMAGE }),
    metrics: Array(30_000).fill({ name: 'a', curve: Array(5).fill(1) }),
    given: Array(30_000).fill({}),
    labels: Array(30_000).fill('b'),
    works: Array(30_000).fill({})
  },
  'a million points': {
    run_id: 'r',
    status: 'running',
    summary: { loss: 1 },
    metrics: [{ name: 'loss', curve: Array(1_000_000).fill(0.5) }],
    runs: [{ run_id: 'a' }, { run_id: 'b' }],
    curves: [{ name: 'loss', runs: [{ values: Array(1_000_000).fill(-0) }, { values: Array(1_000_000).fill(1e308) }] }],
    dependence: [{ column: 'a', kind: 'number', points: Array(1_000_000).fill({ value: -0, mean: 5e-324 }) }]
  },
  'huge objects': {
    summary: Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`m${i}`, i])),
    tags: Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`t${i}`, i]))
  },
  deep: everywhere(deep(40)),
  'deeper than a stack': deep(20_000),
  'hidden characters': everywhere('a\u0000b\u202ec\u2066d')
};

const DRAWN = [...DRAWINGS.keys()];
const CASES = [...DRAWINGS].flatMap(([kind, drawing]) =>
  Object.keys(HOSTILE).map(name => [kind, name, drawing] as const)
);

/** Everything about an element that should not be there. */
function wrong(element: Element): string[] {
  const attributes = Array.from(element.attributes).flatMap(({ name, value }) => {
    const runs =
      name.startsWith('on') || (/^(href|src|xlink:href)$/.test(name) && /^\s*(javascript|data:text)/i.test(value));
    const odd = /NaN|Infinity/.test(value) && /^(points|x|y|x1|x2|y1|y2|d|width|height|viewBox|cx|cy)$/.test(name);
    return runs || odd || name === 'id' ? [`${name}=${value.slice(0, 80)}`] : [];
  });
  const tag = /^(script|iframe|object|embed|style|link|form)$/i.test(element.tagName) ? [element.tagName] : [];
  return [...attributes, ...tag];
}

/** Open everything that is made only when somebody opens it. */
function opened(drawn: Element): void {
  for (const fold of Array.from(drawn.querySelectorAll('details'))) {
    fold.open = true;
    fold.dispatchEvent(new Event('toggle'));
  }
}

function safe(drawn: Element): void {
  opened(drawn);
  const all = [drawn, ...Array.from(drawn.querySelectorAll('*'))];
  const said = drawn.textContent ?? '';
  expect(all.flatMap(wrong)).toEqual([]);
  expect(drawn.querySelectorAll('img:not([src^="data:image/"])').length).toBe(0);
  expect(all.length).toBeLessThan(MOST_ELEMENTS);
  expect(said.length).toBeLessThan(MOST_TEXT);
  expect(/[\u0000\u202e\u2066]/.test(said)).toBe(false);
  expect((window as unknown as Record<string, unknown>).broken).toBeUndefined();
}

test.each(CASES)('%s: %s', (kind, name, drawing) => {
  const data = HOSTILE[name];
  safe(drawing(data, trans)); // without the net of draw(): a drawing itself does not throw
  safe(draw(kind, data, trans));
});

test.each(DRAWN)('%s takes hostile JSON over what is drawn', kind => {
  let drawn = draw(kind, {}, trans);
  document.body.replaceChildren(drawn);
  for (const data of Object.values(HOSTILE)) {
    drawn = redraw(drawn, kind, data, trans);
    expect(document.body.contains(drawn)).toBe(true);
  }
});

test.each([
  ['https://example.org/a', true],
  ['/nbmlops/report/1', true],
  ['report.html', true],
  ['//example.org', false],
  ['/\\\\example.org', false],
  ['javascript:alert(1)', false],
  [' javascript:alert(1)', false],
  ['java\nscript:alert(1)', false],
  ['JaVaScRiPt:alert(1)', false],
  ['data:text/html,<script>', false],
  ['vbscript:x', false],
  ['blob:https://example.org/1', false],
  ['file:///etc/passwd', false],
  [`https://example.org/${'x'.repeat(3000)}`, false],
  [{ toString: () => 'https://example.org' }, false]
])('whether %p is an address one may follow: %p', (to, follows) => {
  expect(address(to) !== '').toBe(follows);
});

test('a moment says in which zone it is', () => {
  const said = draw('run', { run_id: 'r', status: 'finished', started_at: '2026-01-02T03:04:05+00:00' }, trans);
  expect(said.querySelector('time')?.textContent).toMatch(/2026.* \d\d:\d\d (UTC|GMT|[A-Z])/);
});

test('no prototype was touched', () => {
  expect(Object.prototype.hasOwnProperty.call(Object.prototype, 'name')).toBe(false);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});
