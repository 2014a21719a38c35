/** Asking the server side of nbmlops: JSON, and what a stream of events tells. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { Fields, fields, text } from './draw';

/** The version of the answers this panel understands. */
export const API = 2;

/** Write a text as one part of an address, whatever is in it. */
export const part = encodeURIComponent;

/** What an address takes behind its question mark; what is empty is left out. */
export type Query = Record<string, string | number>;

/** The server side is not there, or speaks another version: nothing can be asked. */
export class BackendMissing extends Error {
  constructor(
    message: string,
    readonly version = ''
  ) {
    super(message);
  }
}

/** The server side says no: to this question, or for now. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint: string
  ) {
    super(message);
  }
}

/** The server side of nbmlops, asked about the project of one notebook. */
export class Server {
  /**
   * @param settings - How this Lab reaches its server.
   * @param notebook - The contents path of the open notebook, empty without one.
   * @param once - What names one decision: sent again, for its answer was lost, it is done once.
   */
  constructor(
    private readonly settings: ServerConnection.ISettings,
    private readonly notebook: () => string,
    private readonly once = ''
  ) {}

  /** The same server for one decision, about this notebook whichever is opened later: what one decides on stays. */
  pinned(): Server {
    const notebook = this.notebook();
    return new Server(this.settings, () => notebook, `${Date.now()}-${Math.random()}`);
  }

  /** Ask a question. */
  async get(what: string, query: Query = {}): Promise<Fields> {
    return this.answered(await this.send(this.address(`api/${what}`, query)));
  }

  /** Have something done. */
  async post(what: string, body: Fields): Promise<Fields> {
    const headers = { 'Content-Type': 'application/json', ...(this.once ? { 'Idempotency-Key': this.once } : {}) };
    return this.answered(
      await this.send(this.address(`api/${what}`), { method: 'POST', headers, body: JSON.stringify(body) })
    );
  }

  /**
   * Check that the server side is there and speaks our version; returns what it says of itself.
   *
   * @throws BackendMissing
   */
  async status(): Promise<Fields> {
    const said = await this.get('status');
    if (said.api !== API) {
      throw new BackendMissing('', text(said.version) || '?');
    }
    return said;
  }

  /** Listen to a stream of events; returns what ends that. `ended` is called when it ends for another reason. */
  events(what: string, heard: (name: string, data: Fields) => void, ended: () => void): () => void {
    const stop = new AbortController();
    const headers = { Accept: 'text/event-stream' };
    void this.send(this.address(`api/${what}`), { headers, signal: stop.signal })
      .then(response => (response.ok && response.body ? listen(response.body, heard) : undefined))
      .catch(() => undefined)
      .then(() => (stop.signal.aborted ? undefined : ended()));
    return () => stop.abort();
  }

  /** Return an address the server named, or none where it does not lead to a report on it. */
  trusted(url: unknown): string {
    const base = new URL(URLExt.join(this.settings.baseUrl, 'nbmlops', 'report/'), window.location.href);
    try {
      const named = new URL(text(url, 2000), base);
      return named.origin === base.origin && named.pathname.startsWith(base.pathname) ? named.href : '';
    } catch {
      return '';
    }
  }

  private address(what: string, query: Query = {}): string {
    const asked = Object.entries({ notebook: this.notebook(), ...query }).filter(([, value]) => value !== '');
    const words = new URLSearchParams(asked.map(([key, value]) => [key, String(value)])).toString();
    return URLExt.join(this.settings.baseUrl, 'nbmlops', what) + (words ? `?${words}` : '');
  }

  private send(url: string, init: RequestInit = {}): Promise<Response> {
    return ServerConnection.makeRequest(url, init, this.settings);
  }

  private async answered(response: Response): Promise<Fields> {
    const body = await response.text();
    let json: Fields;
    try {
      json = fields(JSON.parse(body));
    } catch {
      // Jupyter answers an address nobody serves with a page, ours are always JSON.
      throw new BackendMissing(`${response.status}`);
    }
    if (!response.ok) {
      throw new Refused(text(json.message, 1000) || `${response.status}`, response.status, text(json.hint, 1000));
    }
    return json;
  }
}

/** Read events as they come: each is lines of `event:` and `data:`, and ends with an empty one. */
async function listen(body: ReadableStream<Uint8Array>, heard: (name: string, data: Fields) => void): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let waiting = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return;
    }
    const blocks = (waiting + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
    waiting = blocks.pop() ?? '';
    blocks.forEach(block => tell(block, heard));
  }
}

function tell(block: string, heard: (name: string, data: Fields) => void): void {
  const lines = block.split(/\r?\n/);
  const said = (word: string): string[] =>
    lines.filter(line => line.startsWith(`${word}:`)).map(line => line.slice(word.length + 1).trimStart());
  try {
    heard(said('event')[0] ?? 'message', fields(JSON.parse(said('data').join('\n') || '{}')));
  } catch {
    // Half an event, or none of ours: the next round asks anyway.
  }
}
