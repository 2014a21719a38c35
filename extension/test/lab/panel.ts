/** A panel in a page, a server that answers when a test says so, and notebooks one turns to. */

import { IStateDB } from '@jupyterlab/statedb';
import { Widget } from '@lumino/widgets';

import { IOptions, SidePanel } from '../../src/panel';
import { trans } from '../words';

export const FIRST = 'first.ipynb';
export const SECOND = 'second.ipynb';

type Answer = Record<string, unknown>;

/** One question, and how it is answered. */
export class Asked {
  constructor(
    readonly what: string,
    readonly query: URLSearchParams,
    readonly body: unknown,
    readonly signal: AbortSignal | null
  ) {
    this.response = new Promise((done, fail) => ([this._done, this._fail] = [done, fail]));
  }

  readonly response: Promise<unknown>;

  /** The notebook it is about. */
  get notebook(): string {
    return this.query.get('notebook') ?? '';
  }

  async answer(said: Answer | string, status = 200): Promise<void> {
    const body = typeof said === 'string' ? said : JSON.stringify(said);
    this._done({ ok: status < 400, status, body: this.stream(), text: () => Promise.resolve(body) });
    await settled();
  }

  /** The network is gone. */
  async lost(): Promise<void> {
    this._fail(new TypeError('Failed to fetch'));
    await settled();
  }

  /** Tell something in a stream. */
  async tell(event: string, data: Answer): Promise<void> {
    this._next({ done: false, value: new TextEncoder().encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`) });
    await settled();
  }

  /** End a stream. */
  async end(): Promise<void> {
    this._next({ done: true });
    await settled();
  }

  private stream(): unknown {
    return { getReader: () => ({ read: () => new Promise(next => (this._next = next)) }) };
  }

  private _done: (response: unknown) => void = () => undefined;
  private _fail: (error: Error) => void = () => undefined;
  private _next: (chunk: unknown) => void = () => undefined;
}

/** The server side: what is not set is answered when the test says so. */
export class Lab {
  readonly asked: Asked[] = [];
  /** What the titles ask, after each round. */
  readonly counted: Asked[] = [];
  readonly run: [string, unknown][] = [];
  path: string | null = FIRST;
  kept: Answer = {};

  /** What is answered at once, by what is asked. */
  readonly answers = new Map<string, (asked: Asked) => Answer>([
    ['status', ({ notebook }) => ({ api: 2, version: '1', project: `of ${notebook}`, actor: { name: 'ann' } })],
    ['runs', () => ({ runs: [], total: 0 })],
    ['models', () => ({ models: [] })],
    ['jobs', () => ({ works: [], schedules: [], scheduler: null })],
    ['questions', () => ({ questions: [] })],
    ['drift', () => ({ models: [] })],
    ['waiting', () => ({ questions: 0, drift: null, running: 0, failed: [] })]
  ]);

  /** Open the panel with these sections open. */
  async opened(...open: string[]): Promise<SidePanel> {
    this.kept = { open, ...this.kept };
    const options = {
      settings: { baseUrl: 'http://127.0.0.1/', ask: (url: string, init: RequestInit) => this.ask(url, init) },
      trans,
      commands: {
        execute: (id: string, args: unknown) => Promise.resolve(this.run.push([id, args])),
        notifyCommandChanged: () => undefined
      },
      state: { fetch: () => this.fetch(), save: this.save } as unknown as IStateDB,
      notebook: () => (this.path === null ? null : {}),
      path: () => this.path ?? '',
      activate: () => undefined
    };
    this.panel = new SidePanel(options as unknown as IOptions);
    Widget.attach(this.panel, document.body);
    await settled();
    return this.panel;
  }

  /** Bring another notebook to the front. */
  async turn(path: string): Promise<void> {
    this.path = path;
    this.panel?.turned();
    await settled();
  }

  /** The questions about something, in their order. */
  about(what: string): Asked[] {
    return this.asked.filter(one => one.what === what);
  }

  /** The newest question about something. */
  last(what: string): Asked {
    const found = this.about(what);
    return found[found.length - 1];
  }

  close(): void {
    this.panel?.dispose();
    document.body.replaceChildren();
  }

  fetch = (): Promise<Answer> => Promise.resolve(this.kept);

  readonly save = (_: string, kept: Answer): Promise<void> => {
    this.kept = kept;
    return Promise.resolve();
  };

  private ask(url: string, init: RequestInit): unknown {
    const { pathname, searchParams } = new URL(url);
    const body = typeof init.body === 'string' ? JSON.parse(init.body) : null;
    const asked = new Asked(pathname.replace('/nbmlops/api/', ''), searchParams, body, init.signal ?? null);
    (asked.what === 'waiting' ? this.counted : this.asked).push(asked);
    const answer = this.answers.get(asked.what);
    if (answer) {
      void asked.answer(answer(asked));
    }
    return asked.response;
  }

  panel: SidePanel | null = null;
}

/** Let everything that was answered be drawn: a frame passes. */
export async function settled(): Promise<void> {
  await jest.advanceTimersByTimeAsync(20);
}

/** Let seconds pass. */
export async function pass(seconds: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(1000 * seconds);
}

/** What stands in a section. */
export function section(id: string): HTMLElement {
  return document.querySelector(`[data-section=${id}] .nbmlops-held`) as HTMLElement;
}

/** The button with these words, or of this name. */
export function button(words: string, within: ParentNode = document): HTMLButtonElement {
  const named = (b: HTMLElement): string => b.getAttribute('aria-label') ?? b.textContent ?? '';
  const found = [...within.querySelectorAll('button')].find(b => named(b).replace('▸', '') === words);
  if (!found) {
    throw new Error(`No button ${words}`);
  }
  return found;
}

/** Whether somebody can see the page. */
export function see(visible: boolean): void {
  Object.defineProperty(document, 'hidden', { value: !visible, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}

/** Give each test of a file a Lab of its own and a clock it sets; nothing is left of either. */
export function eachIn(use: (lab: Lab) => void): void {
  let lab: Lab;
  beforeEach(() => {
    jest.useFakeTimers();
    use((lab = new Lab()));
  });
  afterEach(() => {
    see(true);
    lab.close();
    jest.useRealTimers();
  });
}
