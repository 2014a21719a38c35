/** Runs as a table: sorted by its heads, filtered, with the columns one wants, and any of them side by side. */

import { grid, IColumn, IGrid } from '../grid';
import { asks, button, card, Content, facts, hidden, IWords, leftOut, moment, node, status } from '../nodes';
import { live, on } from '../patch';
import { duration, Fields, fields, MOST_ENTRIES, number, quantity, records, text, texts } from '../values';
import { comparison } from './comparison';
import { headlines, metricName } from './run';

const MOST_METRICS = 4;
const MOST_PARAMS = 4;
const MOST_TICKED = 5;
const MOST_COLUMNS = 300;
const OWN = ['name', 'status', 'duration_s', 'started_at', 'notebook', 'order', 'charter', 'run_id', 'experiment'];
const ALWAYS = ['name', 'status', 'duration_s', 'started_at'];
const COMPARED = /^(params|metrics|tags)\.|^(duration_s|charter)$/;

/** Draw runs as a table. */
export function runs(json: unknown, trans: IWords): HTMLElement {
  const made = new Runs(json, trans);
  live(made.node, 'runs', json, data => made.set(data));
  return made.node;
}

class Runs {
  constructor(
    json: unknown,
    private _trans: IWords
  ) {
    this.set(json);
  }

  readonly node = node('article', 'nbmlops-runs-view');

  /** Take other runs: what was ticked, chosen, typed and sorted stays. */
  set(json: unknown): void {
    const data = fields(json);
    this._all = records(data.runs, MOST_ENTRIES);
    this._named = texts(data.named, 50);
    this._names = columnNames(this._all);
    this._chosen = this._picked ?? chosen(this._all, this._names, this._named);
    const ids = new Set(this._all.map(idOf));
    this._ticked = this._ticked.filter(id => ids.has(id));
    const lines = texts(data.overrides, 20).map(line => {
      const said = this._trans.__('%1 (and nobody has reviewed that)', line);
      return node('p', 'nbmlops-error', hidden('■'), ` ${said}`);
    });
    const left = leftOut(data, this._trans);
    this._notes.replaceChildren(...lines, ...(left ? [left] : []));
    if (!this._all.length) {
      this.node.replaceChildren(this._nothing(Boolean(data.query)));
      this._table = null;
      return;
    }
    this._draw();
  }

  private _nothing(asked: boolean): HTMLElement {
    const { _trans: trans } = this;
    const said = asked
      ? trans.__('No run fits the query. Without it all runs are listed.')
      : trans.__('No runs yet. Write %%track NAME as the first line of a cell and run it.');
    return node('p', 'nbmlops-hint', said);
  }

  private _draw(): void {
    const shown = this._shown();
    if (!this._table) {
      const { _trans: trans } = this;
      this._table = grid(this._columns(), shown, { label: trans.__('Runs'), trans, id: idOf });
      this._choices = node('details', 'nbmlops-choose', node('summary', '', trans.__('Columns')), this._boxes);
      this.node.replaceChildren(this._tools(), this._notes, this._table.node, this._beside);
    } else {
      this._table.set(shown, this._columns());
    }
    this._boxes.replaceChildren(...this._names.map(name => this._box(name)));
    this._tell(shown.length);
  }

  private _tools(): HTMLElement {
    const { _trans: trans } = this;
    const find = node('input', 'nbmlops-filter');
    find.type = 'search';
    find.placeholder = trans.__('Filter');
    find.setAttribute('aria-label', trans.__('Filter runs by any text in the table'));
    on(find, 'input', () => {
      this._filter = find.value.toLowerCase();
      this._again();
    });
    this._compare = button(trans.__('Compare'), 'nbmlops-button', () => this._side());
    this._status.setAttribute('role', 'status');
    return node('div', 'nbmlops-tools', find, this._choices ?? '', this._compare, this._status);
  }

  /** Draw rows again, nothing else. */
  private _again(): void {
    const shown = this._shown();
    this._table?.set(shown, this._columns());
    this._tell(shown.length);
  }

  private _tell(shown: number): void {
    const { _trans: trans, _all: all, _ticked: ticked } = this;
    const count = trans._n('%1 run', '%1 runs', all.length);
    const told = shown < all.length ? trans.__('%1 of %2', quantity(shown), count) : count;
    const more = ticked.length === 1 ? trans.__('tick one more to compare') : trans.__('tick two to compare');
    this._status.textContent = ticked.length > 1 ? trans.__('%1, %2 ticked', told, ticked.length) : `${told}, ${more}`;
    if (this._compare) {
      this._compare.disabled = ticked.length < 2;
    }
  }

  private _shown(): Fields[] {
    if (!this._filter) {
      return this._all;
    }
    const names = [...this._chosen, 'experiment', 'run_id'];
    return this._all.filter(run => names.some(name => said(run[name]).toLowerCase().includes(this._filter)));
  }

  private _columns(): IColumn<Fields>[] {
    const tick: IColumn<Fields> = { key: ' ', head: '', cell: run => this._tick(run), width: 4 };
    const open = (run: Fields): void => this._open(run);
    return [tick, ...this._chosen.map(name => columnOf(name, this._trans, open))];
  }

  private _tick(run: Fields): HTMLElement {
    const id = idOf(run);
    const box = node('input');
    box.type = 'checkbox';
    box.checked = this._ticked.includes(id);
    box.disabled = !box.checked && this._ticked.length >= MOST_TICKED;
    box.setAttribute('aria-label', this._trans.__('Compare %1', label(run)));
    on(box, 'change', () => {
      this._ticked = this._ticked.includes(id) ? this._ticked.filter(other => other !== id) : [...this._ticked, id];
      this._again();
    });
    return box;
  }

  private _box(name: string): HTMLElement {
    const box = node('input');
    box.type = 'checkbox';
    box.checked = this._chosen.includes(name);
    on(box, 'change', () => {
      const now = new Set(this._chosen);
      if (!now.delete(name)) {
        now.add(name);
      }
      this._picked = this._names.filter(known => now.has(known));
      this._chosen = this._picked;
      this._again();
    });
    return node('label', '', box, ` ${headOf(name, this._trans)}`);
  }

  /** Show the ticked runs side by side: the host may do that, with more than stands in the table. */
  private _side(): void {
    const mine = this._ticked.map(id => this._all.find(run => idOf(run) === id)).filter((r): r is Fields => Boolean(r));
    if (!asks(this.node, 'compare', { runs: this._ticked })) {
      this._beside.replaceChildren(comparison(sideBySide(mine, this._names), this._trans));
    }
  }

  /** Show one run: the host may do that, else what its row holds. */
  private _open(run: Fields): void {
    if (!asks(this.node, 'open', { kind: 'run', ref: idOf(run) })) {
      const rows = this._names.map((name): [string, Content] => [headOf(name, this._trans), said(run[name])]);
      this._beside.replaceChildren(card(label(run), text(run.status), facts(rows)));
    }
  }

  private _all: Fields[] = [];
  private _names: string[] = [];
  private _named: string[] = [];
  private _chosen: string[] = [];
  private _picked: string[] | null = null;
  private _ticked: string[] = [];
  private _filter = '';
  private _table: IGrid<Fields> | null = null;
  private _compare: HTMLButtonElement | null = null;
  private _choices: HTMLElement | null = null;
  private _boxes = node('div', 'nbmlops-boxes');
  private _notes = node('div');
  private _status = node('span', 'nbmlops-quiet');
  private _beside = node('div');
}

/** Return what a comparison draws, from rows of the table: only what differs. */
export function sideBySide(mine: Fields[], names: string[]): Fields {
  const rows = names
    .filter(name => COMPARED.test(name))
    .map(name => ({ name, values: mine.map(run => run[name] ?? null) }))
    .filter(row => row.values.some(value => value !== row.values[0]));
  return { runs: mine, rows };
}

/** Every column there is, those of a run first. */
function columnNames(all: Fields[]): string[] {
  const found = new Set<string>();
  all.forEach(run => Object.keys(run).forEach(name => found.add(name)));
  const own = OWN.filter(name => found.has(name));
  const others = [...found].filter(name => /^(params|metrics|tags)\./.test(name));
  return [...own, ...others].slice(0, MOST_COLUMNS);
}

/** The columns to begin with: as the table without scripts, those asked for, some metrics, params that differ. */
function chosen(all: Fields[], names: string[], named: string[]): string[] {
  const known = names.filter(name => name.startsWith('metrics.')).map(name => name.slice(8));
  const metrics = headlines(known).map(name => `metrics.${name}`);
  const measured = all.filter(run => Object.keys(run).some(name => name.startsWith('metrics.')));
  const judged = measured.length ? measured : all;
  const differing = names.filter(name => name.startsWith('params.') && differs(judged, name));
  differing.sort((a, b) => a.split('.').length - b.split('.').length);
  const wanted = new Set([
    ...ALWAYS,
    'charter',
    ...named,
    ...first(metrics, named, MOST_METRICS),
    ...first(differing, named, MOST_PARAMS)
  ]);
  return names.filter(name => wanted.has(name));
}

function differs(all: Fields[], name: string): boolean {
  const value = said(all[0]?.[name]);
  return all.some(run => said(run[name]) !== value);
}

function first(columns: string[], named: string[], most: number): string[] {
  const others = columns.filter(name => !named.includes(name));
  return others.slice(0, Math.max(0, most - (columns.length - others.length)));
}

function columnOf(name: string, trans: IWords, open: (run: Fields) => void): IColumn<Fields> {
  const head = headOf(name, trans);
  const about = { key: name, head, names: name === 'name' };
  if (name === 'name') {
    return { ...about, cell: run => button(label(run), 'nbmlops-link', () => open(run)), value: label };
  }
  if (name === 'status') {
    return { ...about, cell: run => status(text(run.status)), value: run => text(run.status) };
  }
  if (name === 'duration_s') {
    return {
      ...about,
      numeric: true,
      cell: run => duration(run.duration_s) || '–',
      value: run => number(run.duration_s)
    };
  }
  if (name === 'started_at') {
    return { ...about, cell: run => moment(run.started_at), value: run => text(run.started_at) || null };
  }
  const value = (run: Fields): number | string | null => number(run[name]) ?? (said(run[name]) || null);
  return { ...about, numeric: name.startsWith('metrics.'), cell: run => quantity(run[name]), value };
}

function headOf(name: string, trans: IWords): string {
  const known = new Map([
    ['name', trans.__('Run')],
    ['status', trans.__('Status')],
    ['duration_s', trans.__('Took')],
    ['started_at', trans.__('Started')],
    ['notebook', trans.__('Notebook')],
    ['order', trans.__('Order')],
    ['charter', trans.__('Charter')],
    ['run_id', trans.__('Id')],
    ['experiment', trans.__('Experiment')]
  ]);
  return known.get(name) ?? metricName(name.slice(name.indexOf('.') + 1));
}

function label(run: Fields): string {
  const [experiment, name] = [text(run.experiment), text(run.name)];
  return !name || name === experiment ? experiment || idOf(run).slice(-6) : `${experiment} ${name}`.trim();
}

function idOf(run: Fields): string {
  return text(run.run_id);
}

function said(value: unknown): string {
  return typeof value === 'number' ? quantity(value) : text(value);
}
