/** The side panel: the runs of the open notebook, newest first. */

import { NotebookPanel } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { Poll } from '@lumino/polling';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { headlines, metricName } from './draw/kinds/run';
import { moment, node, scoped, status } from './draw/nodes';
import { duration, Fields, fields, quantity, text } from './draw/values';
import { draw } from './draw/view';
import { BackendMissing, checkBackend, fetchRuns } from './request';

const HEADLINES = 3;

/** What a row shows of a run. */
interface IRun {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly cause: string;
  readonly startedAt: string;
  readonly duration: string;
  readonly cellId: string;
  readonly summary: [string, string][];
  readonly json: unknown;
}

function readRun(json: unknown): IRun | null {
  const data = fields(json);
  const summary: Fields = fields(data.summary);
  const cause = text(data.cause);
  const known = typeof data.run_id === 'string' && typeof data.status === 'string';
  return known
    ? {
        id: text(data.run_id),
        name: text(data.name ?? data.experiment),
        status: text(data.status),
        cause: cause === 'error' ? '' : cause,
        startedAt: text(data.started_at),
        duration: duration(data.duration_s),
        cellId: text(data.cell_id),
        summary: headlines(Object.keys(summary)).map(name => [metricName(name), quantity(summary[name])]),
        json
      }
    : null;
}

export namespace RunsPanel {
  export interface IOptions {
    settings: ServerConnection.ISettings;
    trans: TranslationBundle;
    /** The open notebook, if any. */
    notebook: () => NotebookPanel | null;
    /** Its path as the server knows it. */
    path: (notebook: NotebookPanel) => string;
  }
}

export class RunsPanel extends Widget {
  constructor(options: RunsPanel.IOptions) {
    super();
    this._options = options;
    this.id = 'nbmlops-panel';
    this.addClass('nbmlops-panel');
    this.title.caption = options.trans.__('nbmlops: runs of this notebook');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', options.trans.__('nbmlops: runs of this notebook'));
    this._status.setAttribute('role', 'status');
    this.node.append(this._header(), this._status, this._content);
    this._poll = new Poll({
      auto: false,
      name: 'nbmlops:runs',
      factory: () => this._load(),
      frequency: { interval: 15_000, backoff: true, max: 300_000 },
      standby: () => !this.isVisible || document.hidden
    });
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._poll.dispose();
      super.dispose();
    }
  }

  /** Ask again now, if anybody looks. */
  refresh(): void {
    if (this.isVisible) {
      void this._poll.refresh();
    }
  }

  /** Set the seconds between two questions; zero asks only after a cell was executed. */
  setInterval(seconds: number): void {
    const interval = seconds > 0 ? seconds * 1000 : Poll.NEVER;
    this._poll.frequency = { ...this._poll.frequency, interval, max: Math.max(300_000, interval) };
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this._poll.start();
    void this._poll.refresh();
  }

  protected onBeforeHide(message: Message): void {
    super.onBeforeHide(message);
    void this._poll.stop();
  }

  private _header(): HTMLElement {
    const { trans } = this._options;
    const again = node('button', 'jp-Button nbmlops-button', trans.__('Refresh'));
    again.type = 'button';
    again.addEventListener('click', () => this.refresh());
    return node('header', 'nbmlops-panel-head', node('h2', '', trans.__('Runs')), again);
  }

  /** One round: ask, then draw what came, unless it is what is shown already. */
  private async _load(): Promise<void> {
    const { notebook, path, settings, trans } = this._options;
    const open = notebook();
    if (!open) {
      this._show('none', [this._hint(trans.__('Open a notebook to see its runs.'))]);
      return;
    }
    const asked = path(open);
    try {
      if (!this._checked) {
        await checkBackend(settings);
        this._checked = true;
      }
      const json = await fetchRuns(asked, settings);
      const now = notebook();
      if (now && path(now) === asked) {
        this._draw(asked, json);
      }
    } catch (error) {
      this._show('error', [this._trouble(error)]);
      throw error; // so that the poll backs off
    }
  }

  private _draw(path: string, json: unknown[]): void {
    const { trans } = this._options;
    const key = `${path}\n${JSON.stringify(json)}`;
    const runs = json.map(readRun).filter((run): run is IRun => run !== null);
    if (key === this._shown) {
      return;
    }
    this._status.textContent = trans._n('%1 run in %2', '%1 runs in %2', runs.length, path.split('/').pop());
    const empty = [
      this._hint(trans.__('No tracked runs yet. Load nbmlops in one cell and begin the next as below.')),
      node('pre', 'nbmlops-example', '%load_ext nbmlops', '\n\n', '%%track my-experiment\n...')
    ];
    this._show(key, runs.length ? [this._table(runs)] : empty, true);
  }

  private _show(key: string, content: HTMLElement[], keepStatus = false): void {
    this._shown = key;
    if (!keepStatus) {
      this._status.textContent = '';
    }
    this._content.replaceChildren(...content);
  }

  private _table(runs: IRun[]): HTMLElement {
    const { trans } = this._options;
    const heads = [trans.__('Run'), trans.__('Metrics'), trans.__('Started')];
    const head = node('tr', '', ...heads.map(h => scoped(node('th', '', h), 'col')));
    const body = node('tbody', '', ...runs.flatMap(run => this._rows(run)));
    const made = node('table', 'nbmlops-table nbmlops-runs', node('thead', '', head), body);
    made.setAttribute('aria-label', trans.__('Runs, newest first'));
    return made;
  }

  /** A run's row, and the hidden row below it with the whole card. */
  private _rows(run: IRun): HTMLTableRowElement[] {
    const open = this._open.has(run.id);
    const button = node('button', 'nbmlops-link', run.name);
    button.type = 'button';
    button.setAttribute('aria-expanded', String(open));
    const below = node('td');
    below.colSpan = 3;
    const details = node('tr', 'nbmlops-details', below);
    details.hidden = !open;
    if (open) {
      below.append(this._details(run));
    }
    button.addEventListener('click', () => this._toggle(run, button, details, below));
    const first = scoped(node('th', '', button, node('div', '', status(run.status, run.cause))), 'row');
    const headline = run.summary.slice(0, HEADLINES).map(([name, value]) => metric(name, value));
    const started = node('td', '', moment(run.startedAt), node('div', 'nbmlops-quiet', run.duration));
    return [node('tr', '', first, node('td', '', ...headline), started), details];
  }

  private _toggle(run: IRun, button: HTMLElement, details: HTMLElement, below: HTMLElement): void {
    details.hidden = !details.hidden;
    button.setAttribute('aria-expanded', String(!details.hidden));
    if (details.hidden) {
      this._open.delete(run.id);
    } else {
      this._open.add(run.id);
      below.replaceChildren(this._details(run));
    }
  }

  private _details(run: IRun): HTMLElement {
    const card = draw('run', run.json, this._options.trans);
    if (run.cellId) {
      const jump = node('button', 'jp-Button nbmlops-button', this._options.trans.__('Go to cell'));
      jump.type = 'button';
      jump.addEventListener('click', () => this._goTo(run.cellId, jump));
      card.append(jump);
    }
    return card;
  }

  private _goTo(cellId: string, button: HTMLButtonElement): void {
    const content = this._options.notebook()?.content;
    const index = content?.widgets.findIndex(cell => cell.model.id === cellId) ?? -1;
    if (!content || index < 0) {
      button.disabled = true;
      button.textContent = this._options.trans.__('The cell is gone');
      return;
    }
    content.activeCellIndex = index;
    void content.scrollToItem(index, 'smart');
  }

  private _hint(text: string): HTMLElement {
    return node('p', 'nbmlops-hint', text);
  }

  /** What went wrong and what to do, said loudly. */
  private _trouble(error: unknown): HTMLElement {
    const { trans } = this._options;
    const said = error instanceof Error ? error.message : String(error);
    const box = node('div', 'nbmlops-trouble');
    box.setAttribute('role', 'alert');
    if (!(error instanceof BackendMissing)) {
      box.append(node('strong', '', trans.__('The runs could not be read.')), node('p', '', said));
      return box;
    }
    this._checked = false;
    box.append(
      node('strong', '', trans.__('The server side of nbmlops is missing.')),
      node('p', '', said),
      node('p', '', trans.__('In the environment that starts JupyterLab, type the lines below; then start it again.')),
      node('pre', 'nbmlops-example', "pip install 'nbmlops[lab]'\njupyter server extension enable nbmlops\nnbmlops doctor")
    );
    return box;
  }

  private _options: RunsPanel.IOptions;
  private _poll: Poll;
  private _status = node('p', 'nbmlops-quiet nbmlops-count');
  private _content = node('div', 'nbmlops-content');
  private _open = new Set<string>();
  private _shown = '';
  private _checked = false;
}

function metric(name: string, value: string): HTMLElement {
  const made = node('div', 'nbmlops-metric', node('span', '', name), ' ', node('b', '', value));
  made.title = `${name} ${value}`;
  return made;
}
