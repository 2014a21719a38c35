/** Pictures as SVG, with their words; colours are the theme's, and never the only difference. */

import { IWords, node, quiet, shape } from './nodes';
import { quantity } from './values';

/** A line of a chart: what it is called, and how it goes; x is the place where none is given. */
export interface ICurve {
  readonly name: string;
  readonly ys: readonly number[];
  readonly xs?: readonly number[];
}

/** A value with its interval. */
export interface IInterval {
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const MOST_BARS = 30;
const DASHES = ['', '6 3', '2 3', '8 3 2 3'];
const [WIDE, HIGH, LEFT, TOP, BOTTOM] = [360, 160, 56, 10, 24];

/** Draw how a metric went, the height of a word. */
export function sparkline(values: readonly number[], name: string): SVGElement {
  const [x, y] = [scale([0, Math.max(1, values.length - 1)], 1, 79), scale(ends(values), 13, 1)];
  const [low, high] = ends(values);
  const flat = quantity(low) === quantity(high); // the last bits of one number are no way down
  const line = shape('polyline', { points: values.map((v, i) => `${x(i)},${flat ? 7 : y(v)}`).join(' ') });
  return picture(80, 14, `${name}: ${quantity(low)} – ${quantity(high)}`, 'nbmlops-sparkline', line);
}

/** Draw lines over each other; each has a dash of its own and its name beside it. */
export function curves(lines: readonly ICurve[], title: string): HTMLElement {
  const all = lines.flatMap(line => [...line.ys]);
  const across = ends(lines.flatMap(line => [...(line.xs ?? [0, line.ys.length - 1])]));
  const [x, y] = [scale(across, LEFT, WIDE - 8), scale(ends(all), HIGH - BOTTOM, TOP)];
  const drawn = lines.map((line, i) => {
    const points = line.ys.map((v, at) => `${x(line.xs?.[at] ?? at)},${y(v)}`).join(' ');
    return shape('polyline', {
      points,
      class: `nbmlops-line nbmlops-line-${i % 4}`,
      'stroke-dasharray': DASHES[i % 4]
    });
  });
  const words = lines.map(line => `${line.name} ${quantity(line.ys[line.ys.length - 1])}`).join(', ');
  const [low, high] = ends(all);
  const axis = [...yAxis(low, high, y), ...xAxis(across, x, HIGH - 6)];
  const chart = picture(WIDE, HIGH, `${title}: ${words}`, 'nbmlops-chart', ...axis, ...drawn);
  return node('figure', 'nbmlops-figure', node('figcaption', '', title), chart, legend(lines));
}

/** Draw values with their intervals, a row each, around a line that means no difference. */
export function intervals(rows: readonly IInterval[], title: string, none: number | null): HTMLElement {
  const wide = 520;
  const shown = rows.slice(0, MOST_BARS);
  const across = scale(
    ends([...shown.flatMap(r => [r.low, r.high]), ...(none === null ? [] : [none])]),
    180,
    wide - 70
  );
  const high = 22 * shown.length + 20;
  const zero =
    none === null
      ? []
      : [
          rule(across(none), 0, across(none), high - 12, '3 3'),
          lettering(across(none), high - 2, quantity(none), 'middle')
        ];
  const drawn = shown.flatMap((row, i) => {
    const y = 22 * i + 15;
    return [
      lettering(172, y + 4, cut(row.name, 26), 'end'),
      shape('line', { x1: across(row.low), x2: across(row.high), y1: y, y2: y, class: 'nbmlops-whisker' }),
      shape('circle', { cx: across(row.value), cy: y, r: 4, class: 'nbmlops-dot' }),
      lettering(wide - 64, y + 4, quantity(row.value), 'start')
    ];
  });
  const words = shown.map(r => `${r.name} ${quantity(r.value)} (${quantity(r.low)} – ${quantity(r.high)})`).join(', ');
  const chart = picture(wide, high, `${title}: ${words}`, 'nbmlops-chart', ...zero, ...drawn);
  return node('figure', 'nbmlops-figure', node('figcaption', '', title), chart);
}

/** Draw bars that lie, the longest first or as they come; those that do not fit are counted. */
export function bars(names: readonly string[], values: readonly number[], title: string, trans: IWords): HTMLElement {
  const wide = 420;
  const count = Math.min(names.length, values.length, MOST_BARS);
  const shown = values.slice(0, count);
  const across = scale(ends([0, ...shown]), 180, wide - 70);
  const drawn = shown.flatMap((v, i) => {
    const [from, to] = [Math.min(across(0), across(v)), Math.max(across(0), across(v))];
    return [
      lettering(172, 20 * i + 14, cut(names[i], 26), 'end'),
      shape('rect', { x: from, y: 20 * i + 3, width: Math.max(1, to - from), height: 14, class: 'nbmlops-bar' }),
      lettering(to + 6, 20 * i + 14, quantity(v), 'start')
    ];
  });
  const words = shown.map((v, i) => `${names[i]} ${quantity(v)}`).join(', ');
  const chart = picture(wide, 20 * count + 6, `${title}: ${words}`, 'nbmlops-chart', ...drawn);
  const left = Math.min(names.length, values.length) - count;
  const more = left > 0 ? [quiet(trans.__('and %1 more', left))] : [];
  return node('figure', 'nbmlops-figure', node('figcaption', '', title), chart, ...more);
}

/** Draw two distributions of the same bins, side by side: outlined what was, filled what is. */
export function pair(
  labels: readonly string[],
  was: readonly number[],
  is: readonly number[],
  title: string
): HTMLElement {
  const count = Math.min(labels.length, was.length, is.length, MOST_BARS);
  const y = scale([0, Math.max(1e-9, ...was.slice(0, count), ...is.slice(0, count))], HIGH - BOTTOM, TOP);
  const step = (WIDE - 16) / Math.max(1, count);
  const floor = HIGH - BOTTOM;
  const drawn = Array.from({ length: count }, (_, i) => {
    const left = 8 + i * step;
    const bar = (v: number, at: number, name: string): SVGElement =>
      shape('rect', { x: at, y: y(v), width: step * 0.38, height: Math.max(0, floor - y(v)), class: name });
    return [bar(was[i], left, 'nbmlops-outline'), bar(is[i], left + step * 0.42, 'nbmlops-bar')];
  }).flat();
  const named = [0, count - 1].filter((v, i, all) => count && all.indexOf(v) === i);
  const under = named.map(i =>
    lettering(8 + i * step + (i ? step : 0), HIGH - 6, cut(labels[i], 24), i ? 'end' : 'start')
  );
  const words = labels.slice(0, count).map((l, i) => `${l} ${quantity(was[i])} ${quantity(is[i])}`);
  const chart = picture(WIDE, HIGH, `${title}: ${words.join(', ')}`, 'nbmlops-chart', ...drawn, ...under);
  return node('figure', 'nbmlops-figure', node('figcaption', '', title), chart);
}

/** Return a picture with its words. */
export function picture(
  width: number,
  height: number,
  words: string,
  name: string,
  ...parts: SVGElement[]
): SVGElement {
  const about = { class: name, width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': words };
  return shape('svg', about, ...parts);
}

/** Return text of a picture. */
export function lettering(x: number, y: number, said: string, anchor: string, name = 'nbmlops-lettering'): SVGElement {
  return shape('text', { x, y, 'text-anchor': anchor, class: name }, said);
}

/** Return a text that fits. */
export function cut(said: string, most: number): string {
  return said.length > most ? `${said.slice(0, most - 1)}…` : said;
}

/** Return a straight line. */
export function rule(x1: number, y1: number, x2: number, y2: number, dash = ''): SVGElement {
  return shape('line', { x1, y1, x2, y2, class: 'nbmlops-rule', 'stroke-dasharray': dash });
}

/** Return the least and the most; two that differ, so that something can be drawn between. */
export function ends(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  return low <= high ? [low, high] : [0, 0];
}

function scale([low, high]: readonly number[], from: number, to: number): (v: number) => number {
  const place = (v: number): number =>
    high === low ? (from + to) / 2 : from + ((v - low) / (high - low)) * (to - from);
  return v => Math.round((Number.isFinite(place(v)) ? place(v) : from) * 10) / 10;
}

function yAxis(low: number, high: number, y: (v: number) => number): SVGElement[] {
  const told = low === high ? [low] : [low, high];
  return told.flatMap(v => [
    lettering(LEFT - 6, y(v) + 4, quantity(v), 'end'),
    rule(LEFT, y(v), WIDE - 8, y(v), '1 3')
  ]);
}

function xAxis([low, high]: readonly number[], x: (v: number) => number, y: number): SVGElement[] {
  return low === high
    ? []
    : [lettering(x(low), y, quantity(low), 'start'), lettering(x(high), y, quantity(high), 'end')];
}

function legend(lines: readonly ICurve[]): HTMLElement {
  const items = lines.map((line, i) => {
    const about = { x1: 0, x2: 26, y1: 5, y2: 5, class: `nbmlops-line nbmlops-line-${i % 4}` };
    const key = shape('svg', { width: 26, height: 10, 'aria-hidden': 'true' });
    key.append(shape('line', { ...about, 'stroke-dasharray': DASHES[i % 4] }));
    return node('li', '', key, ` ${line.name}`);
  });
  return node('ul', 'nbmlops-legend', ...items);
}
