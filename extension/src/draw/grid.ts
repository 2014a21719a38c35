/** A table that sorts by its heads and holds any number of rows: only those in sight are in the page. */

import { button, Content, hidden, IWords, node, scoped, scrolling } from './nodes';
import { children, live } from './patch';

/** A column: what stands in a row's cell, and what rows are sorted by. */
export interface IColumn<Row> {
  readonly key: string;
  readonly head: string;
  cell(row: Row): Content;
  /** What to sort by; a column without is not sortable. Null comes last, whichever way. */
  value?(row: Row): number | string | null;
  /** The cell that names the row. */
  readonly names?: boolean;
  readonly numeric?: boolean;
  /** Characters it takes, where that is not to be found out. */
  readonly width?: number;
}

/** What a grid is asked to be. */
export interface IGridOptions<Row> {
  /** What the table holds, said to who cannot see it. */
  readonly label: string;
  readonly trans: IWords;
  /** What tells rows apart. */
  id(row: Row): string;
  readonly sort?: { readonly key: string; readonly down: boolean };
  /** The most pixels it is high; more rows scroll. */
  readonly height?: number;
}

/** A grid, and how it takes other rows or columns: in place, scrolled and sorted as it was. */
export interface IGrid<Row> {
  readonly node: HTMLElement;
  set(rows: readonly Row[], columns?: readonly IColumn<Row>[]): void;
}

const HEIGHT = 420;
const ROW = 28; // pixels, before one is measured
const BEYOND = 12; // rows kept ready above and below
const SAMPLE = 40; // rows that say how wide a column is
const WIDTHS = [4, 26]; // of a column, in characters

/** Draw a grid. */
export function grid<Row>(
  columns: readonly IColumn<Row>[],
  rows: readonly Row[],
  options: IGridOptions<Row>
): IGrid<Row> {
  const made = new Grid(columns, rows, options);
  live(made.node, `grid ${options.label}`, made, next => made.set(next.rows, next.columns));
  return made;
}

class Grid<Row> implements IGrid<Row> {
  constructor(
    public columns: readonly IColumn<Row>[],
    public rows: readonly Row[],
    private _options: IGridOptions<Row>
  ) {
    this._sort = _options.sort ?? null;
    scrolling(this.node, _options.label, 'region');
    this.node.style.maxHeight = `${_options.height ?? HEIGHT}px`;
    this.node.append(this._table);
    this._table.append(this._widths, this._head, this._body);
    this.node.addEventListener('scroll', () => this._fill(false), { passive: true });
    this.set(rows);
  }

  readonly node = node('div', 'nbmlops-grid');

  set(rows: readonly Row[], columns = this.columns): void {
    this.rows = rows;
    this.columns = columns;
    this._sorted = this._order();
    this._heads();
    this._first = -1;
    this._fill(true);
  }

  private _heads(): void {
    const cells = this.columns.map(column => this._headCell(column));
    const focused = cells.length ? this._focused() : '';
    this._head.replaceChildren(node('tr', '', ...cells));
    Array.from(this._head.querySelectorAll('button'))
      .find(press => focused && press.dataset.key === focused)
      ?.focus();
    const wide = this.columns.map(column => this._width(column));
    children(
      this._widths,
      wide.map(width => {
        const col = node('col');
        col.style.width = `${width}ch`;
        return col;
      })
    );
    this._table.style.minWidth = `${wide.reduce((sum, width) => sum + width, 0)}ch`;
    this._table.setAttribute('aria-rowcount', String(this._sorted.length + 1));
  }

  /** The column whose head has the focus. */
  private _focused(): string {
    const at = this.node.ownerDocument.activeElement;
    return at && this._head.contains(at) ? ((at as HTMLElement).dataset.key ?? '') : '';
  }

  private _headCell(column: IColumn<Row>): HTMLTableCellElement {
    const cell = scoped(node('th', column.numeric ? 'nbmlops-number' : ''), 'col');
    if (!column.value) {
      cell.append(column.head);
      return cell;
    }
    const mine = this._sort?.key === column.key ? this._sort : null;
    const mark = mine ? (mine.down ? ' ▼' : ' ▲') : '';
    const press = button(column.head, 'nbmlops-sort', () => this._sortBy(column.key));
    press.dataset.key = column.key;
    press.title = column.head;
    press.append(hidden(mark));
    cell.setAttribute('aria-sort', mine ? (mine.down ? 'descending' : 'ascending') : 'none');
    cell.append(press);
    return cell;
  }

  private _sortBy(key: string): void {
    const down = this._sort?.key === key ? !this._sort.down : false;
    this._sort = { key, down };
    this.node.scrollTop = 0;
    this.set(this.rows);
  }

  private _order(): readonly Row[] {
    const column = this.columns.find(c => c.key === this._sort?.key);
    const value = column?.value?.bind(column);
    if (!value) {
      return this.rows;
    }
    const way = this._sort?.down ? -1 : 1;
    const keyed = this.rows.map(row => ({ row, by: value(row) }));
    return keyed.sort((a, b) => ordered(a.by, b.by, way)).map(({ row }) => row);
  }

  /** Characters a column takes, so that scrolling never changes its width. */
  private _width(column: IColumn<Row>): number {
    if (column.width !== undefined) {
      return column.width;
    }
    const told = this.rows.slice(0, SAMPLE).map(row => length(column.cell(row)));
    const longest = Math.max(column.head.length + 2, ...told);
    return Math.min(WIDTHS[1], Math.max(WIDTHS[0], longest)) + 3;
  }

  /** Put the rows in sight into the page; those that stay keep their elements, as they are unless there is news. */
  private _fill(news: boolean): void {
    const high = this._body.querySelector('tr[data-id]')?.getBoundingClientRect().height || ROW;
    const room = this.node.clientHeight || this._options.height || HEIGHT;
    const count = this._sorted.length;
    const first = Math.max(0, Math.min(count - 1, Math.floor(this.node.scrollTop / high)) - BEYOND);
    const step = Math.floor(first / BEYOND) * BEYOND;
    if (step === this._first) {
      return;
    }
    this._first = step;
    const last = Math.min(count, step + Math.ceil(room / high) + 3 * BEYOND);
    const kept = new Map(this._shown());
    const drawn = this._sorted.slice(step, last).map((row, i) => this._row(row, step + i, kept, news));
    place(this._body, [spacer(step * high), ...drawn, spacer((count - last) * high)]);
  }

  private *_shown(): Generator<[string, HTMLTableRowElement]> {
    for (const row of Array.from(this._body.rows)) {
      if (row.dataset.id !== undefined) {
        yield [row.dataset.id, row];
      }
    }
  }

  private _row(row: Row, at: number, kept: Map<string, HTMLTableRowElement>, news: boolean): HTMLTableRowElement {
    const id = this._options.id(row);
    const old = kept.get(id);
    const made = old ?? node('tr');
    kept.delete(id);
    if (old && !news) {
      return old;
    }
    made.dataset.id = id;
    made.setAttribute('aria-rowindex', String(at + 2));
    children(
      made,
      this.columns.map(column => this._cell(column, row))
    );
    return made;
  }

  private _cell(column: IColumn<Row>, row: Row): HTMLTableCellElement {
    const inside = column.cell(row);
    const name = column.numeric ? 'nbmlops-number' : '';
    const made = column.names ? scoped(node('th', name, inside), 'row') : node('td', name, inside);
    if (typeof inside === 'string') {
      made.title = inside;
    }
    return made;
  }

  private _table = node('table', 'nbmlops-table');
  private _widths = node('colgroup');
  private _head = node('thead');
  private _body = node('tbody');
  private _sorted: readonly Row[] = [];
  private _sort: { readonly key: string; readonly down: boolean } | null;
  private _first = -1;
}

/** Put rows into a body without touching those that stand where they should. */
function place(body: HTMLElement, rows: HTMLTableRowElement[]): void {
  const wanted = new Set<Node>(rows);
  Array.from(body.childNodes).forEach(old => wanted.has(old) || old.remove());
  let at = body.firstChild;
  for (const row of rows) {
    if (at === row) {
      at = at.nextSibling;
    } else {
      body.insertBefore(row, at);
    }
  }
}

/** A row as high as those that are not in the page. */
function spacer(pixels: number): HTMLTableRowElement {
  const made = node('tr', 'nbmlops-spacer');
  made.setAttribute('aria-hidden', 'true');
  made.style.height = `${Math.max(0, pixels)}px`;
  made.hidden = pixels <= 0;
  return made;
}

function ordered(a: number | string | null, b: number | string | null, way: number): number {
  if (a === null || b === null) {
    return a === b ? 0 : a === null ? 1 : -1;
  }
  if (typeof a === 'number' && typeof b === 'number') {
    return way * (a - b);
  }
  if (typeof a !== typeof b) {
    return typeof a === 'number' ? -1 : 1;
  }
  return way * (a < b ? -1 : a > b ? 1 : 0);
}

function length(inside: Content): number {
  return typeof inside === 'string' ? inside.length : (inside.textContent ?? '').length;
}
