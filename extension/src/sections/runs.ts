/** This notebook: the runs of the open file, or of the whole project, newest first. */

import {
  Content,
  duration,
  Fields,
  fields,
  node,
  number,
  numbers,
  on,
  quantity,
  records,
  sparkline,
  status,
  text
} from '../draw';
import { part } from '../request';
import { Ids } from './ids';
import { HIGH, Rows } from './rows';
import { act, answer, caret, chip, choice, IPanel, ISection, nothing, view, Views, when, word } from './section';

const ID = 'runs';
const PAGE = 100;
const MOST_CURVE = 60;
const UNKNOWN = 'not measured'; // of the charter's targets

/** Make the section of runs. */
export function runs(panel: IPanel): ISection {
  return new Runs(panel);
}

class Runs implements ISection {
  constructor(private readonly panel: IPanel) {
    const { trans } = panel;
    this.title = trans.__('This notebook');
    this._views = new Views(panel, id => this._rows.renew(id));
    this._rows = new Rows({
      label: trans.__('Runs, newest first'),
      draw: index => this.row(index),
      seen: (first, last) => this.want(first, last)
    });
    this._count.setAttribute('role', 'status');
    this._ask.type = 'search';
    this._ask.placeholder = trans.__('Filter: metrics.loss < 0.3');
    this._ask.setAttribute('aria-label', trans.__('Filter the runs, such as metrics.loss < 0.3'));
    this._ask.addEventListener('change', () => this.anew());
    this._ask.addEventListener('input', () => this._ask.value || this.anew()); // its cross was pressed
  }

  readonly id = ID;
  readonly title: string;

  dispose(): void {
    this._rows.dispose();
  }

  /** Ask for the pages one sees; where there are more or fewer runs than before, the others are asked for later. */
  async load(): Promise<unknown> {
    const asked = this.asked();
    if (asked !== this._asked) {
      this._pages.clear();
      this._asked = asked;
      this._total = -1;
    }
    if (this.path === null) {
      return null;
    }
    await Promise.all(this.seen().map(page => this.page(page)));
    return asked;
  }

  draw(): HTMLElement[] {
    const { trans } = this.panel;
    if (this.path === null) {
      return [this.controls(), ...nothing(trans.__('Open a notebook to see its runs.'))];
    }
    const counted = this.counted();
    if (this._count.textContent !== counted) {
      this._count.textContent = counted; // it is read aloud
    }
    if (this._total > 0) {
      this._rows.set(this._total);
      if (!this._rows.node.isConnected) {
        requestAnimationFrame(() => this._rows.update()); // how much one sees is known once it stands there
      }
      return [this.controls(), this._count, this._rows.node];
    }
    return [this.controls(), ...(this._total === 0 ? this.empty() : [])];
  }

  /** The notebook that is asked about: null where there is none and one is needed. */
  private get path(): string | null {
    return this.panel.path() || (this.scope === 'project' ? '' : null);
  }

  private get scope(): string {
    return this.panel.kept.chosen('scope', 'notebook');
  }

  private asked(): string {
    return JSON.stringify([this.path, this.scope, this._ask.value.trim()]);
  }

  private anew(): void {
    this._from = this._to = 0;
    this.panel.refresh(ID);
  }

  /** Take what one sees; what is missing is asked for, once, and what one sees by then after that. */
  private want(first: number, last: number): void {
    [this._from, this._to] = [first, Math.max(first, last)];
    const seen = this.seen().join();
    const missing = this.seen().filter(page => !this._pages.has(page));
    if (missing.length && this._total > 0 && !this._wanting) {
      this._wanting = true;
      void Promise.all(missing.map(page => this.page(page)))
        .then(() => this.panel.redraw(ID))
        .catch(() => undefined) // the next round says it
        .then(() => {
          this._wanting = false;
          if (this.seen().join() !== seen) {
            this.want(this._from, this._to);
          }
        });
    }
  }

  /** The pages one sees. */
  private seen(): number[] {
    return [...new Set([Math.floor(this._from / PAGE), Math.floor(Math.max(0, this._to) / PAGE)])];
  }

  private async page(page: number): Promise<void> {
    const [asked, turn] = [this._asked, ++this._turn];
    const query = { scope: this.scope, limit: PAGE, offset: page * PAGE, q: this._ask.value.trim() };
    const said = await this.panel.server.get('runs', query);
    const total = number(said.total) ?? 0;
    if (asked !== this._asked || (turn < this._taken && total !== this._total)) {
      return; // somebody asks for something else by now, or a later answer came first
    }
    if (turn < (this._turns.get(page) ?? 0)) {
      return;
    }
    this._turns.set(page, turn);
    this._taken = Math.max(this._taken, turn);
    if (total !== this._total) {
      this._pages.clear();
    }
    this._total = total;
    this._pages.set(page, records(said.runs, PAGE));
  }

  /** What one asks for: made once, so that nothing typed is lost. */
  private controls(): HTMLElement {
    const { kept, trans } = this.panel;
    if (this._controls) {
      return this._controls;
    }
    const scopes = [
      ['notebook', trans.__('of this notebook')] as const,
      ['project', trans.__('of the project')] as const
    ];
    const scope = choice(trans.__('Whose runs'), scopes, this.scope, value => {
      kept.choose('scope', value);
      this.anew();
    });
    this._controls = node('div', 'nbmlops-controls', scope, this._ask);
    this._controls.dataset.key = 'controls';
    return this._controls;
  }

  private counted(): string {
    const { trans } = this.panel;
    const name = this.panel.path().split('/').pop() ?? '';
    return this.scope === 'project'
      ? trans._n('%1 run in the project', '%1 runs in the project', this._total)
      : trans._n('%1 run in %2', '%1 runs in %2', this._total, name);
  }

  private empty(): HTMLElement[] {
    const { trans } = this.panel;
    if (this._ask.value.trim()) {
      return nothing(trans.__('No run fits the filter.'));
    }
    const said = trans.__('No tracked runs yet. Load nbmlops in one cell and begin the next as below.');
    return nothing(said, '%load_ext nbmlops\n\n%%track my-experiment\n...');
  }

  private row(index: number): HTMLElement | null {
    const run = this._pages.get(Math.floor(index / PAGE))?.[index % PAGE];
    return run ? this.drawn(run) : null;
  }

  private drawn(run: Fields): HTMLElement {
    const { kept, trans } = this.panel;
    const [id, name] = [text(run.run_id), text(run.name ?? run.experiment)];
    const open = kept.isOpen(`run:${id}`);
    const toggle = caret(trans.__('Card of %1 (%2)', name, id.slice(-6)), open, () => {
      kept.setOpen(`run:${id}`, !kept.isOpen(`run:${id}`));
      this._rows.renew(id);
    });
    const jump = word(name, run.cell_id ? trans.__('%1: go to its cell', name) : name, () => this.jump(run, id));
    const head = node('div', 'nbmlops-row-head', toggle, this.tick(id, name), jump, when(run.started_at));
    const made = node('li', 'nbmlops-row', head, this.below(run));
    made.dataset.key = id;
    made.style.minHeight = `${HIGH}px`;
    if (open) {
      made.append(node('div', 'nbmlops-row-inside', ...this.inside(run, id)));
    }
    return made;
  }

  private tick(id: string, name: string): HTMLInputElement {
    const { kept, trans } = this.panel;
    const made = node('input', 'nbmlops-tick');
    made.type = 'checkbox';
    made.checked = kept.ticks.some(t => t.id === id);
    made.setAttribute('aria-label', trans.__('Compare %1 (%2)', name, id.slice(-6)));
    made.title = trans.__('Tick two runs or more to compare them');
    on(made, 'change', event => kept.tick({ id, name }, (event.currentTarget as HTMLInputElement).checked));
    return made;
  }

  private below(run: Fields): HTMLElement {
    const metric = fields(run.metric);
    const cause = text(run.cause);
    const made = node('div', 'nbmlops-row-below', status(text(run.status), cause === 'error' ? '' : cause));
    made.append(...this.order(run)); // before what may be long: a narrow bar cuts off what comes last
    if (run.metric) {
      const [name, curve] = [text(metric.name), numbers(metric.curve, MOST_CURVE)];
      const shown = node('span', 'nbmlops-metric', node('span', '', name), ' ', node('b', '', quantity(metric.value)));
      shown.title = `${name} ${quantity(metric.value)}`;
      made.append(shown, ...(curve.length > 1 ? [sparkline(curve, name)] : []));
    }
    made.append(...this.marks(run));
    return made;
  }

  private order(run: Fields): HTMLElement[] {
    const made = node('span', 'nbmlops-quiet', text(run.order, 40));
    made.title = this.panel.trans.__('The order in which the cells were run');
    return run.order ? [made] : [];
  }

  private marks(run: Fields): Content[] {
    const { trans } = this.panel;
    const took = duration(run.duration_s);
    const charter = text(run.charter, 40);
    return [
      charter && charter !== UNKNOWN ? chip(charter, trans.__('Beside the targets of the charter')) : '',
      took ? node('span', 'nbmlops-took', took) : ''
    ].filter(Boolean);
  }

  private inside(run: Fields, id: string): Content[] {
    const { server, trans } = this.panel;
    const said = this._views.get(id, JSON.stringify(run), () => server.get(`runs/${part(id)}`));
    const card = answer(said, trans, whole => [view(whole, trans) ?? '']);
    return [...card, node('div', 'nbmlops-actions', ...this.actions(run, id))];
  }

  private actions(run: Fields, id: string): HTMLElement[] {
    const { trans } = this.panel;
    const cell = text(run.cell_id);
    return [
      ...(cell ? [act(trans.__('Go to cell'), () => this.jump(run, id))] : []),
      act(trans.__('Restore its source'), () => this.panel.run(Ids.restoreSource, { run: id, cell })),
      act(trans.__('Open the report'), () => this.panel.run(Ids.openReport, { ref: id }))
    ];
  }

  /** Go to the cell of a run; where the open notebook has no such cell, its card says what it was. */
  private jump(run: Fields, id: string): void {
    const cell = text(run.cell_id);
    if (cell) {
      this.panel.run(Ids.goToCell, { cell, notebook: text(run.notebook, 1000) });
    } else {
      this.panel.kept.setOpen(`run:${id}`, true);
      this._rows.renew(id);
    }
  }

  private _asked = '';
  private _total = -1;
  private _turn = 0; // of the question that was asked last
  private _taken = 0; // of the newest answer
  private _turns = new Map<number, number>(); // of the answer a page is of
  private _wanting = false;
  private _from = 0;
  private _to = 0;
  private _pages = new Map<number, Fields[]>();
  private _views: Views;
  private _rows: Rows;
  private _controls: HTMLElement | null = null;
  private _count = node('p', 'nbmlops-quiet nbmlops-count');
  private _ask = node('input', 'nbmlops-filter');
}
