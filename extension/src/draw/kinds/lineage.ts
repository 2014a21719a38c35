/** Lineage as a graph, causes left and results right: walked with the arrow keys; every tie in a list, too. */

import { asks, card, fold, IWords, node, quiet, shape, table } from '../nodes';
import { on } from '../patch';
import { cut, lettering } from '../plot';
import { Fields, fields, number, quantity, records, text } from '../values';

const [WIDE, HIGH, ACROSS, DOWN, SIDE, TOP] = [168, 36, 216, 48, 12, 10];
const [REACH, MOST, MOST_TIES] = [4, 48, 300]; // steps each way and nodes in the picture; ties in the list
const KINDS = ['source', 'dataset', 'data', 'run', 'model', 'predictions', 'feedback'];

/** A node with its place: how many steps from the subject, and how far down. */
interface IPlaced {
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  readonly step: number;
  readonly x: number;
  readonly y: number;
}

interface ITie {
  readonly from: string;
  readonly to: string;
  readonly what: string;
}

/** Draw lineage. */
export function lineage(json: unknown, trans: IWords): HTMLElement {
  const data = fields(json);
  const subject = text(data.subject);
  const nodes = records(data.nodes, 2000);
  const ties = records(data.edges, 5000).map(e => ({ from: text(e.from), to: text(e.to), what: text(e.what) }));
  const placed = places(nodes);
  const labels = new Map(nodes.map(n => [text(n.id), text(n.label) || text(n.id)]));
  const name = labels.get(subject) ?? subject;
  const left = nodes.length - placed.length;
  const told = node(
    'p',
    'nbmlops-quiet nbmlops-told',
    trans.__('Arrow keys walk the graph; what is marked is said here.')
  );
  told.setAttribute('role', 'status');
  return card(
    trans.__('Lineage of %1', name),
    '',
    node('div', 'nbmlops-lineage', picture(placed, ties, subject, trans), told),
    left > 0 ? quiet(trans.__('The picture shows the nearest %1 of %2.', placed.length, nodes.length)) : null,
    notFollowed(fields(data.left_out), trans),
    list(ties, labels, trans)
  );
}

/** Give every node near enough its place: a column for each step, in the order of kind and time. */
function places(nodes: Fields[]): IPlaced[] {
  const near = nodes.filter(n => Math.abs(number(n.distance) ?? 99) <= REACH).slice(0, MOST);
  const steps = [...new Set(near.map(stepOf))].sort((a, b) => a - b);
  const columns = steps.map(step => near.filter(n => stepOf(n) === step).sort(ordered));
  const tallest = Math.max(0, ...columns.map(c => c.length));
  return columns.flatMap((column, at) =>
    column.map((n, row) => ({
      id: text(n.id),
      kind: text(n.kind),
      label: text(n.label) || text(n.id),
      step: at,
      x: SIDE + ACROSS * at,
      y: TOP + DOWN * (row + (tallest - column.length) / 2)
    }))
  );
}

function stepOf(n: Fields): number {
  return Math.round(number(n.distance) ?? 0);
}

function ordered(a: Fields, b: Fields): number {
  const rank = (n: Fields): string => `${KINDS.indexOf(text(n.kind)) + 10} ${text(n.at)} ${text(n.id)}`;
  return rank(a) < rank(b) ? -1 : 1;
}

function picture(placed: IPlaced[], ties: ITie[], subject: string, trans: IWords): SVGElement {
  const width = Math.max(0, ...placed.map(p => p.x)) + WIDE + SIDE;
  const height = Math.max(0, ...placed.map(p => p.y)) + HIGH + TOP;
  const about = {
    class: 'nbmlops-chart nbmlops-graph',
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'group'
  };
  const at = new Map(placed.map(p => [p.id, p]));
  const lines = ties.flatMap(tie => line(at.get(tie.from), at.get(tie.to)));
  const first = placed.find(p => p.id === subject) ?? placed[0];
  const drawn = shape('svg', about, ...lines, ...placed.map(p => box(p, p === first, words(p, ties, at, trans))));
  drawn.setAttribute('aria-label', trans.__('Graph of causes and results'));
  on(drawn, 'keydown', walk);
  on(drawn, 'click', open);
  on(drawn, 'focusin', tell);
  return drawn;
}

/** What a node is, and what it comes from and leads to, said to who cannot see the lines. */
function words(placed: IPlaced, ties: ITie[], at: Map<string, IPlaced>, trans: IWords): string {
  const named = (id: string): string => at.get(id)?.label ?? id;
  const from = ties
    .filter(t => t.to === placed.id)
    .slice(0, 6)
    .map(t => named(t.from));
  const to = ties
    .filter(t => t.from === placed.id)
    .slice(0, 6)
    .map(t => named(t.to));
  const told = [`${placed.kind} ${placed.label}`];
  if (from.length) {
    told.push(trans.__('comes from %1', from.join(', ')));
  }
  if (to.length) {
    told.push(trans.__('leads to %1', to.join(', ')));
  }
  return told.join('; ');
}

/** A node: its kind as a word, what it is as text; one of them is in the tab order, the arrows lead to the others. */
function box(placed: IPlaced, first: boolean, said: string): SVGElement {
  const { x, y } = placed;
  const made = shape('g', {
    class: `nbmlops-node${first ? ' nbmlops-subject' : ''}`,
    tabindex: first ? 0 : -1,
    role: 'button'
  });
  Object.entries({ id: placed.id, kind: placed.kind, step: placed.step, y }).forEach(
    ([k, v]) => (made.dataset[k] = String(v))
  );
  made.setAttribute('aria-label', said);
  made.append(
    shape('title', {}, said),
    shape('rect', { x, y, width: WIDE, height: HIGH, rx: 3, class: 'nbmlops-box' }),
    lettering(x + 8, y + 13, placed.kind, 'start', 'nbmlops-lettering nbmlops-small'),
    lettering(x + 8, y + 28, cut(placed.label, 25), 'start')
  );
  return made;
}

function line(from?: IPlaced, to?: IPlaced): SVGElement[] {
  if (!from || !to) {
    return [];
  }
  const [x1, y1, x2, y2] = [from.x + WIDE, from.y + HIGH / 2, to.x, to.y + HIGH / 2];
  const bend = Math.max(20, (x2 - x1) / 2);
  const path = `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2 - 5},${y2}`;
  return [
    shape('path', { d: path, class: 'nbmlops-tie' }),
    shape('path', { d: `M${x2 - 6},${y2 - 3}L${x2},${y2}L${x2 - 6},${y2 + 3}Z`, class: 'nbmlops-arrow' })
  ];
}

/** Move the focus with the arrows; Enter and space open. */
function walk(event: Event): void {
  const { key } = event as KeyboardEvent;
  const [now, all] = marked(event);
  const ways = new Map([
    ['ArrowLeft', [-1, 0]],
    ['ArrowRight', [1, 0]],
    ['ArrowUp', [0, -1]],
    ['ArrowDown', [0, 1]]
  ]);
  const way = ways.get(key);
  if (now && way) {
    event.preventDefault();
    event.stopPropagation(); // the notebook moves to another cell by the same keys
    focus(nearest(now, all, way[0], way[1]), all);
  } else if (now && (key === 'Enter' || key === ' ')) {
    open(event);
  }
}

function open(event: Event): void {
  const [now, all] = marked(event);
  if (now) {
    event.preventDefault();
    event.stopPropagation();
    focus(now, all);
    asks(now, 'open', { kind: now.dataset.kind, ref: now.dataset.id });
  }
}

/** Say below the picture what is marked. */
function tell(event: Event): void {
  const [now] = marked(event);
  const told = now?.closest('.nbmlops-lineage')?.querySelector('.nbmlops-told');
  if (now && told) {
    told.textContent = now.getAttribute('aria-label');
  }
}

function marked(event: Event): [SVGElement | null, SVGElement[]] {
  const root = event.currentTarget as Element;
  const now = event.target instanceof Element ? event.target.closest<SVGElement>('.nbmlops-node') : null;
  return [now, Array.from(root.querySelectorAll<SVGElement>('.nbmlops-node'))];
}

function nearest(now: SVGElement, all: SVGElement[], across: number, down: number): SVGElement {
  const [step, y] = [Number(now.dataset.step), Number(now.dataset.y)];
  const fits = all.filter(other => {
    const [dx, dy] = [Number(other.dataset.step) - step, Number(other.dataset.y) - y];
    return across ? dx === across : dx === 0 && Math.sign(dy) === down;
  });
  const far = (other: SVGElement): number => Math.abs(Number(other.dataset.y) - y);
  return fits.reduce((best, other) => (best === now || far(other) < far(best) ? other : best), now);
}

function focus(next: SVGElement, all: SVGElement[]): void {
  all.forEach(other => other.setAttribute('tabindex', other === next ? '0' : '-1'));
  next.focus();
}

function notFollowed(left: Fields, trans: IWords): HTMLElement | null {
  const told = Object.entries(left).map(([kind, n]) => `${quantity(n)} ${text(kind)}`);
  return told.length ? quiet(trans.__('Not followed: %1', told.join(', '))) : null;
}

function list(ties: ITie[], labels: Map<string, string>, trans: IWords): HTMLElement | null {
  const rows = ties.map(t => [labels.get(t.from) ?? t.from, t.what, labels.get(t.to) ?? t.to]);
  const drawn = table([trans.__('From'), '', trans.__('To')], rows, trans, '', MOST_TIES);
  return rows.length ? fold(trans.__('All ties as a list (%1)', rows.length), drawn) : null;
}
