/** What every section of the panel is, and the pieces they are drawn from. */

import { NotebookPanel } from '@jupyterlab/notebook';
import { TranslationBundle } from '@jupyterlab/translation';

import { Content, draw, Fields, fields, IWords, node, on, patch, quiet, text } from '../draw';
import { Refused, Server } from '../request';
import { Kept } from './kept';

const AGAIN_MS = 10_000; // after which what failed is asked again

/** A part of the panel. */
export interface ISection {
  readonly id: string;
  readonly title: string;
  /** Ask for what it shows; called while somebody looks, never else. */
  load(): Promise<unknown>;
  /** Draw what came; what looks the same is left standing. */
  draw(data: unknown): HTMLElement[];
  /** What its title says of what waits, from `GET waiting`; nothing where nothing does. */
  waits?(waiting: Fields, open: boolean): Content[];
  /** Listen while somebody looks; returns what ends that. `ended` is called where the other side hangs up. */
  watch?(ended: () => void): () => void;
  dispose?(): void;
}

/** What sections know of the panel. */
export interface IPanel {
  readonly server: Server;
  readonly trans: TranslationBundle;
  readonly kept: Kept;
  /** Whether people may approve and promote from here. */
  readonly promotes: boolean;
  /** Say why nothing may be changed on this server; nothing where it may. */
  barred(): Promise<string>;
  /** The open notebook, if any. */
  notebook(): NotebookPanel | null;
  /** Its path as the server knows it, empty without one. */
  path(): string;
  /** Execute a command; what goes wrong is said. */
  run(command: string, args?: Record<string, string>): void;
  /** Draw a section again from what it has. */
  redraw(section: string): void;
  /** Ask again, for one section or all that are open; where it is one, resolves when that is drawn. Never rejects. */
  refresh(section?: string): Promise<void>;
}

/** Make a button that does something, also after it was drawn over. */
export function act(label: string, doing: (from: HTMLElement) => void, name = ''): HTMLButtonElement {
  const made = node('button', `nbmlops-button ${name}`.trim(), label);
  made.type = 'button';
  on(made, 'click', event => doing(event.currentTarget as HTMLElement));
  return made;
}

/** Make a button that looks like a word. */
export function word(label: string, title: string, doing: () => void): HTMLButtonElement {
  const made = act(label, doing);
  made.className = 'nbmlops-link';
  made.title = title;
  return made;
}

/** Make a list to choose from. */
export function choice(
  label: string,
  options: readonly (readonly [string, string])[],
  value: string,
  chosen: (value: string) => void
): HTMLElement {
  const made = node('select', 'nbmlops-choice', ...options.map(([key, said]) => option(key, said, key === value)));
  made.setAttribute('aria-label', label);
  on(made, 'change', event => chosen((event.currentTarget as HTMLSelectElement).value));
  return made;
}

/** Make a list of rows; each knows itself by its key, wherever it stands the next time. */
export function rows(label: string, made: HTMLElement[]): HTMLElement {
  const drawn = node('ul', 'nbmlops-rows', ...made);
  drawn.setAttribute('aria-label', label);
  return drawn;
}

/** What stands in a row. */
export interface IRow {
  /** How it is known among all rows of the panel. */
  readonly key: string;
  readonly title: string;
  /** Behind the title, and in the line below. */
  readonly beside?: Content[];
  readonly below?: (Content | null)[];
  /** What is shown when it is open; null where there is nothing more to show. */
  readonly inside: (() => Content[]) | null;
}

/** Draw a row: a title that opens it, a few words beside and below, and what it holds. */
export function row(panel: IPanel, section: string, about: IRow): HTMLElement {
  const open = about.inside !== null && panel.kept.isOpen(about.key);
  const head = node('div', 'nbmlops-row-head', title(panel, section, about, open), ...(about.beside ?? []));
  const below = (about.below ?? []).filter((part): part is Content => Boolean(part));
  const made = node('li', 'nbmlops-row', head);
  made.dataset.key = about.key;
  if (below.length) {
    made.append(node('div', 'nbmlops-row-below', ...below));
  }
  if (open && about.inside) {
    made.append(node('div', 'nbmlops-row-inside', ...about.inside()));
  }
  return made;
}

/** Make the button that opens and closes a row. */
export function caret(label: string, open: boolean, toggle: () => void): HTMLButtonElement {
  const made = act('', toggle);
  made.className = 'nbmlops-caret';
  made.setAttribute('aria-expanded', String(open));
  made.setAttribute('aria-label', label);
  return made;
}

/** Put rows and other elements into one, in place of those there were: by key where they have one. */
export function settle(into: HTMLElement, next: readonly HTMLElement[]): void {
  const stays = new Set<Element>(next);
  const keys = new Set(next.map(keyOf));
  const known = new Map<string, HTMLElement>();
  Array.from(into.children).forEach((child, i) => {
    const key = keyOf(child, i);
    if (stays.has(child)) {
      return; // itself, wherever it stands now
    }
    if (!keys.has(key) || known.has(key)) {
      child.remove(); // first, for what moves loses the keyboard
    } else {
      known.set(key, child as HTMLElement);
    }
  });
  let at: Element | null = into.firstElementChild;
  next.forEach((child, i) => {
    const key = keyOf(child, i);
    const old = known.get(key) ?? child;
    known.delete(key);
    const here = old === at;
    at = here ? old.nextElementSibling : at;
    const stands = merged(old, child);
    if (!here) {
      into.insertBefore(stands, at);
    }
  });
  known.forEach(gone => gone.remove());
}

/** What was answered, to which question. */
interface IAnswer {
  readonly sign: string;
  readonly path: string;
  readonly said: Fields | Error | null;
  readonly at: number;
  readonly awaited: boolean;
}

/** Views of the server, asked for when a row is opened and again when it changed. */
export class Views {
  /**
   * @param panel - Whose server is asked.
   * @param told - Called with the key of what was answered.
   */
  constructor(
    private readonly panel: IPanel,
    private readonly told: (key: string) => void
  ) {}

  /** Return what was answered, null before; `sign` is another when the answer would be. What failed is tried again. */
  get(key: string, sign: string, ask: () => Promise<Fields>): Fields | Error | null {
    const [known, path] = [this._known.get(key), this.panel.path()];
    const mine = known?.path === path ? known : undefined; // of another notebook it may be of another project
    if (mine?.awaited) {
      return mine.said; // what changed meanwhile is asked when that came
    }
    const stale = mine?.sign !== sign || (mine.said instanceof Error && Date.now() - mine.at > AGAIN_MS);
    if (stale) {
      const asked = { sign, path, said: mine?.said ?? null, at: Date.now(), awaited: true };
      this._known.set(key, asked);
      void ask()
        .catch((error: Error) => error)
        .then(said => this.came(key, asked, said));
      return asked.said;
    }
    return mine.said;
  }

  private came(key: string, asked: IAnswer, said: Fields | Error): void {
    if (this._known.get(key) === asked) {
      this._known.set(key, { ...asked, said, at: Date.now(), awaited: false });
      this.told(key);
    }
  }

  private _known = new Map<string, IAnswer>();
}

/** Draw a moment as shortly as a side bar needs it: the time of today, else the day; the whole of it is its title. */
export function when(value: unknown): HTMLTimeElement {
  const said = text(value, 40);
  const at = new Date(said);
  const made = node('time', 'nbmlops-time', Number.isNaN(at.getTime()) ? said : short(at, new Date()));
  made.dateTime = said;
  made.title = Number.isNaN(at.getTime()) ? said : `${at.toLocaleString()} (${said})`;
  return made;
}

/** Draw an answer by what draws it, that it is awaited, or why there is none. */
export function answer(said: Fields | Error | null, trans: IWords, drawn: (said: Fields) => Content[]): Content[] {
  if (said === null) {
    return [quiet(trans.__('Loading…'))];
  }
  return said instanceof Error ? [trouble(said, trans)] : drawn(said);
}

/** Draw a view as the server sends it. */
export function view(said: unknown, trans: IWords): HTMLElement | null {
  const known = fields(said);
  return known.kind ? draw(text(known.kind), known.data, trans) : null;
}

/** Say what went wrong in a section, and what to do. */
export function trouble(error: unknown, trans: IWords): HTMLElement {
  const said = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Refused ? error.hint : '';
  const made = node('div', 'nbmlops-trouble', node('p', '', said || trans.__('No answer.')));
  if (hint) {
    made.append(quiet(hint));
  }
  made.setAttribute('role', 'alert');
  return made;
}

/** Say that there is nothing yet, and how to begin. */
export function nothing(said: string, example = ''): HTMLElement[] {
  return [node('p', 'nbmlops-hint', said), ...(example ? [node('pre', 'nbmlops-example', example)] : [])];
}

/** A short word in a box: an alias, an order. */
export function chip(said: string, title = ''): HTMLElement {
  const made = node('span', 'nbmlops-chip', said);
  if (title) {
    made.title = title;
  }
  return made;
}

function title(panel: IPanel, section: string, about: IRow, open: boolean): HTMLElement {
  if (!about.inside) {
    return node('span', 'nbmlops-row-title', about.title);
  }
  const made = act(about.title, () => {
    panel.kept.setOpen(about.key, !panel.kept.isOpen(about.key));
    panel.redraw(section);
  });
  made.className = 'nbmlops-caret nbmlops-row-title';
  made.title = about.title;
  made.setAttribute('aria-expanded', String(open));
  return made;
}

function option(value: string, said: string, chosen: boolean): HTMLOptionElement {
  const made = node('option', '', said);
  made.value = value;
  made.selected = chosen;
  made.toggleAttribute('selected', chosen);
  return made;
}

function short(at: Date, now: Date): string {
  if (at.toDateString() === now.toDateString()) {
    return at.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  }
  const year = at.getFullYear() === now.getFullYear() ? undefined : 'numeric';
  return at.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year });
}

function keyOf(child: Element, place: number): string {
  return child instanceof HTMLElement && child.dataset.key ? child.dataset.key : `${child.nodeName} ${place}`;
}

function merged(old: HTMLElement, next: HTMLElement): HTMLElement {
  if (old === next) {
    return old;
  }
  const lists = old.matches('.nbmlops-rows') && next.matches('.nbmlops-rows');
  if (lists) {
    settle(old, Array.from(next.children) as HTMLElement[]);
    return old;
  }
  return patch(old, next);
}
