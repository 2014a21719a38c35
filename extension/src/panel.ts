/** The side panel: sections one opens, and when each of them asks. */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { NotebookPanel } from '@jupyterlab/notebook';
import { ServerConnection } from '@jupyterlab/services';
import { IStateDB } from '@jupyterlab/statedb';
import { TranslationBundle } from '@jupyterlab/translation';
import { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import { PanelLayout, Widget } from '@lumino/widgets';

import { Fields, fields, node, quiet, text } from './draw';
import { said } from './commands';
import { BackendMissing, Refused, Server } from './request';
import { Body } from './sections/body';
import { compare } from './sections/compare';
import { drift } from './sections/drift';
import { Ids } from './sections/ids';
import { jobs } from './sections/jobs';
import { Kept } from './sections/kept';
import { models } from './sections/models';
import { questions } from './sections/questions';
import { runs } from './sections/runs';
import { act, IPanel, ISection } from './sections/section';
import { unanswered } from './unanswered';

const USUAL_S = 15;
const SLOWEST_MS = 300_000;
const ENOUGH = 5;
const DOUBLE_MS = 500; // within which a second click belongs to the first
const ALL: readonly ((panel: IPanel) => ISection)[] = [runs, compare, models, questions, jobs, drift];

/** What the panel needs of Lab. */
export interface IOptions {
  readonly settings: ServerConnection.ISettings;
  readonly trans: TranslationBundle;
  readonly commands: JupyterFrontEnd['commands'];
  /** Where it keeps what is open, if anywhere. */
  readonly state: IStateDB | null;
  /** The open notebook, if any. */
  readonly notebook: () => NotebookPanel | null;
  /** Its path as the server knows it. */
  readonly path: (notebook: NotebookPanel) => string;
  /** Bring the panel to the front. */
  readonly activate: () => void;
}

/** The panel; while it is closed or hidden it asks nothing. */
export class SidePanel extends Widget implements IPanel {
  constructor(options: IOptions) {
    super();
    this._options = options;
    this.trans = options.trans;
    this.kept = new Kept(options.state, () => this.onTicked());
    this.server = new Server(options.settings, () => this.path());
    this.id = 'nbmlops-panel';
    this.addClass('nbmlops-panel');
    this.title.caption = this.trans.__('nbmlops: runs, models, questions, jobs and drift');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this.trans.__('nbmlops'));
    const layout = (this.layout = new PanelLayout());
    layout.addWidget(new Widget({ node: this.header() }));
    layout.addWidget(new Widget({ node: this._trouble }));
    this._bodies = ALL.map(made => new Body(this, made(this)));
    this._bodies.forEach(body => layout.addWidget(body));
    document.addEventListener('visibilitychange', this);
    this._poll = new Poll({
      auto: false,
      name: 'nbmlops:panel',
      factory: () => this.round(),
      frequency: { interval: USUAL_S * 1000, backoff: true, max: SLOWEST_MS },
      standby: () => !this.isVisible || document.hidden
    });
    void this.kept.restore().then(() => this.restored());
  }

  readonly server: Server;
  readonly trans: TranslationBundle;
  readonly kept: Kept;

  /** Whether people may approve and promote from here. */
  get promotes(): boolean {
    return this._promotes;
  }

  async barred(): Promise<string> {
    await this.check(); // closed, it has asked nothing yet
    const said = this.trans.__(
      'You may look, not change: this server gives you no right to write "nbmlops". Ask who runs it.'
    );
    return this._writes ? '' : said;
  }

  /** The sections that are shown. */
  get sections(): readonly ISection[] {
    return this._bodies.filter(body => !body.isHidden).map(body => body.section);
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._poll.dispose();
      document.removeEventListener('visibilitychange', this);
      super.dispose();
    }
  }

  notebook(): NotebookPanel | null {
    return this._options.notebook();
  }

  path(): string {
    const open = this.notebook();
    return open ? this._options.path(open) : '';
  }

  run(command: string, args: Record<string, string> = {}): void {
    const key = JSON.stringify([command, args]);
    if (!this._doing.has(key)) {
      this._doing.add(key); // a second click is none
      const done = (): void => void setTimeout(() => this._doing.delete(key), DOUBLE_MS);
      void said(this._options.commands.execute(command, args)).then(done);
    }
  }

  redraw(section: string): void {
    this.body(section)?.redraw();
  }

  /** Ask again now, if anybody looks and it has not paused: for one section, or for all that are open. */
  async refresh(section = ''): Promise<void> {
    if (this._failures < ENOUGH) {
      await this.ask(section);
    }
  }

  /** Ask again because somebody wants to, also where it has paused. */
  again(): void {
    this._failures = 0;
    void this.ask();
  }

  /** Come to the front with a section open. */
  showSection(section: string): void {
    const body = this.body(section);
    if (body) {
      this._options.activate();
      body.setOpen(true);
      body.focus();
    }
  }

  /** Begin anew where another notebook is open: it may be of another project. */
  turned(): void {
    if (this.path() !== this._path) {
      this._path = this.path();
      this._checked = false; // the project's name, and who one is in it
      this._bodies.forEach(body => body.doubt());
    }
    if (this._asking && this.looksOn) {
      void this.round().catch(() => undefined); // what is asked meanwhile is asked of the other notebook
    } else {
      void this.ask(); // also where it has paused: somebody wants to see that notebook
    }
  }

  /** Take the settings: seconds between rounds (zero: only when something happened), sections, promotion. */
  configure(seconds: number, sections: readonly string[], promotes: boolean): void {
    const interval = seconds > 0 ? seconds * 1000 : Poll.NEVER;
    this._poll.frequency = { ...this._poll.frequency, interval, max: Math.max(SLOWEST_MS, interval) };
    this._bodies.forEach(body => body.setHidden(!sections.includes(body.section.id)));
    this._promotes = promotes;
    this._options.commands.notifyCommandChanged();
    this._bodies.forEach(body => body.redraw());
    void this.refresh();
  }

  handleEvent(event: Event): void {
    if (event.type === 'visibilitychange') {
      this.looked();
    } else {
      this.wanted(event as CustomEvent);
    }
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.node.addEventListener('nbmlops:open', this);
  }

  protected onBeforeDetach(message: Message): void {
    this.node.removeEventListener('nbmlops:open', this);
    super.onBeforeDetach(message);
  }

  protected onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this._bodies.find(body => !body.isHidden)?.focus();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.looked();
  }

  protected onBeforeHide(message: Message): void {
    super.onBeforeHide(message);
    this.rest();
  }

  private async ask(section = ''): Promise<void> {
    if (!this.looksOn) {
      return;
    }
    const body = this.body(section);
    if (body && this._checked) {
      await this.loaded([body]).catch(error => this.failed(error));
    } else if (this._asking) {
      this._late = true; // the poll would pass it over
    } else {
      void this._poll.start().then(() => this._poll.refresh());
    }
  }

  /** Whether somebody can see it, as it was left. */
  private get looksOn(): boolean {
    return this._remembers && this.isVisible && !document.hidden;
  }

  /** Somebody looks, or nobody does any more. */
  private looked(): void {
    if (this.looksOn) {
      void this.ask();
    } else {
      this.rest();
    }
  }

  private rest(): void {
    void this._poll.stop();
    this._bodies.forEach(body => body.unwatch());
  }

  private restored(): void {
    if (!this.isDisposed) {
      this._remembers = true;
      this._bodies.forEach(body => body.restore());
      void this.refresh();
    }
  }

  /** One round: who the server is, unless that is known, then every open section. */
  private async round(): Promise<void> {
    const path = this.path();
    this._asking += 1;
    try {
      if (await this.check()) {
        await this.loaded(this._bodies);
        this._failures = 0;
        this.tell(null);
        void this.count(path);
      }
    } catch (error) {
      if (path === this.path()) {
        this.failed(error);
        throw error; // so that the poll backs off
      }
    } finally {
      this._asking -= 1;
      if (this._late && !this._asking) {
        this._late = false;
        setTimeout(() => (this.isDisposed ? undefined : this.refresh()));
      }
    }
  }

  /** Say in the titles what waits, also in closed ones; where nobody knows, they say nothing new. */
  private async count(path: string): Promise<void> {
    const shown = this._bodies.filter(body => body.section.waits && !body.isHidden && this.looksOn);
    const said = shown.length ? await this.server.get('waiting').catch(() => null) : null;
    if (said && path === this.path()) {
      shown.forEach(body => body.tell(said));
    }
  }

  /** Have those ask that are open. A section that was refused says so itself; throws where the server does not work. */
  private async loaded(bodies: readonly Body[]): Promise<void> {
    const open = bodies.filter(body => body.isOpen && !body.isHidden);
    const whys = await Promise.all(
      open.map(body =>
        body.load().then(
          () => null,
          (error: unknown) => ({ body, error })
        )
      )
    );
    const failed = whys.filter(why => why !== null);
    const down = failed.length === open.length && failed.every(({ error }) => grave(error));
    const worst = down ? failed[0] : failed.find(({ error }) => !(error instanceof Refused));
    if (!down) {
      failed.forEach(({ body, error }) => (error instanceof Refused ? body.complain(error) : undefined));
    }
    if (worst) {
      throw worst.error;
    }
  }

  /** Say what is wrong, and pause where it was wrong several times. */
  private failed(error: unknown): void {
    this._checked = false;
    this._bodies.forEach(body => body.forget());
    this._failures += 1;
    const paused = this._failures >= ENOUGH;
    if (paused) {
      void this._poll.stop();
    }
    this.tell(error, paused);
  }

  /** Ask who the server is, unless that is known; returns false where that is of the notebook before. */
  private async check(): Promise<boolean> {
    const path = this.path();
    const said = this._checked ? null : await this.server.status();
    if (said && path === this.path()) {
      this.about(said);
    }
    return path === this.path();
  }

  private about(status: Fields): void {
    this._checked = true;
    this._writes = fields(status.rights).write !== false;
    const actor = fields(status.actor);
    const { trans } = this;
    const who = status.actor
      ? trans.__('%1 (%2)', text(actor.name), text(actor.known_by))
      : text(status.why_nobody) || trans.__('nobody is known');
    this._about.replaceChildren(node('strong', 'nbmlops-project', text(status.project)), ' · ', node('span', '', who));
    const server = trans.__('nbmlops %1, store %2', text(status.version), text(status.store));
    this._about.title = `${text(status.project)} · ${who}\n${server}`;
  }

  private tell(error: unknown, paused = false): void {
    const drawn = error === null ? [] : [this.trouble(error, paused)];
    const key = drawn[0]?.textContent ?? '';
    if (key !== this._trouble.textContent) {
      this._trouble.replaceChildren(...drawn);
    }
    this.toggleClass('nbmlops-mod-missing', error instanceof BackendMissing);
  }

  /** What went wrong and what to do, said loudly. */
  private trouble(error: unknown, paused: boolean): HTMLElement {
    const { trans } = this;
    const box = node('div', 'nbmlops-trouble', ...unanswered(error, trans));
    box.setAttribute('role', 'alert');
    if (paused) {
      box.append(quiet(trans.__('Asking has paused after %1 failures.', ENOUGH)));
      box.append(act(trans.__('Try again'), () => this.again()));
    }
    return box;
  }

  private header(): HTMLElement {
    const again = act(this.trans.__('Refresh'), () => this.again());
    return node('header', 'nbmlops-panel-head', this._about, again);
  }

  private body(section: string): Body | undefined {
    return this._bodies.find(body => body.section.id === section);
  }

  private onTicked(): void {
    this.redraw('runs');
    void this.refresh('compare');
  }

  /** A drawing asks for something only the panel can do. */
  private wanted(event: CustomEvent): void {
    const detail = fields(event.detail);
    const ref = text(detail.ref);
    if (event.type === 'nbmlops:open' && detail.kind === 'model') {
      event.preventDefault();
      this.kept.setOpen(`model:${ref}`, true);
      this.showSection('models');
    } else if (event.type === 'nbmlops:open' && detail.kind === 'run') {
      event.preventDefault();
      this.run(Ids.openReport, { ref });
    }
  }

  private _remembers = false; // what was open
  private _asking = 0; // rounds under way
  private _late = false; // whether somebody wanted another one meanwhile
  private _doing = new Set<string>();
  private _path = '';
  private _options: IOptions;
  private _poll: Poll;
  private _bodies: readonly Body[];
  private _about = node('div', 'nbmlops-about');
  private _trouble = node('div', 'nbmlops-troubles');
  private _promotes = true;
  private _writes = true;
  private _checked = false;
  private _failures = 0;
}

/** Whether an error says that the server does not work, not that one question was wrong. */
function grave(error: unknown): boolean {
  return !(error instanceof Refused) || error.status >= 500;
}
