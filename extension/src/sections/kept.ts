/** What the panel remembers when the page is loaded again: open sections and rows, ticked runs. */

import { IStateDB } from '@jupyterlab/statedb';

import { fields, records, text, texts } from '../draw';

const KEY = 'nbmlops:panel';
const MOST = 50;

/** A run that is ticked to be compared. */
export interface ITicked {
  readonly id: string;
  readonly name: string;
}

/** The panel's memory; without a place to keep it, it lasts as long as the page. */
export class Kept {
  /**
   * @param place - Where it is kept.
   * @param ticked - Called when the ticked runs are others.
   */
  constructor(
    private readonly place: IStateDB | null,
    private readonly ticked: () => void
  ) {}

  /** The ticked runs, in the order they were ticked. */
  get ticks(): readonly ITicked[] {
    return this._ticks;
  }

  /** Read what was kept; before, everything is as at the first time. */
  async restore(): Promise<void> {
    const known = fields(await this.place?.fetch(KEY).catch(() => undefined));
    if (Array.isArray(known.open)) {
      this._open = new Set(texts(known.open, 4 * MOST));
    }
    this._ticks = records(known.ticks, MOST).map(t => ({ id: text(t.id), name: text(t.name) }));
    this._chosen = new Map(Object.entries(fields(known.chosen)).map(([key, value]) => [key, text(value)]));
  }

  /** Tell whether a section or a row is open. */
  isOpen(key: string): boolean {
    return this._open.has(key);
  }

  /** Open or close a section or a row. */
  setOpen(key: string, open: boolean): void {
    this._open.delete(key);
    if (open) {
      this._open.add(key);
    }
    const rows = [...this._open].filter(one => one.includes(':'));
    rows.slice(0, Math.max(0, rows.length - MOST)).forEach(old => this._open.delete(old));
    this.save();
  }

  /** Return what was chosen in a list, or what is the first time. */
  chosen(key: string, usual: string): string {
    return this._chosen.get(key) ?? usual;
  }

  /** Keep what was chosen in a list. */
  choose(key: string, value: string): void {
    this._chosen.set(key, value);
    this.save();
  }

  /** Tick or untick a run. */
  tick(run: ITicked, on: boolean): void {
    this.setTicks([...this._ticks.filter(t => t.id !== run.id), ...(on ? [run] : [])]);
  }

  /** Tick these runs and no others. */
  setTicks(ticks: readonly ITicked[]): void {
    this._ticks = ticks.slice(-MOST);
    this.ticked();
    this.save();
  }

  private save(): void {
    const ticks = this._ticks.map(({ id, name }) => ({ id, name }));
    const chosen = Object.fromEntries(this._chosen);
    void this.place?.save(KEY, { open: [...this._open], ticks, chosen }).catch(() => undefined);
  }

  private _open = new Set<string>(['runs', 'models', 'jobs']);
  private _ticks: readonly ITicked[] = [];
  private _chosen = new Map<string, string>();
}
