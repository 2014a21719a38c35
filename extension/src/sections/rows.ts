/** A list of any length: only the rows one sees are there, and they are asked for as one scrolls. */

import { node, patch } from '../draw';

/** The height of a closed row, in pixels: it is the same for all, so that nothing moves when one comes in. */
export const HIGH = 44;

const AROUND = 6;

/** What a list needs to know of its rows. */
export interface IRows {
  readonly label: string;
  /** Draw a row; null while it is not there yet. */
  draw(index: number): HTMLElement | null;
  /** Called with the rows one sees, whenever these are others. */
  seen(first: number, last: number): void;
}

/** A list of rows in an element that scrolls. */
export class Rows {
  constructor(private readonly about: IRows) {
    this.node.setAttribute('aria-label', about.label);
    this.node.addEventListener('keydown', this);
    this.node.addEventListener('focusin', this);
    this._sizes = new ResizeObserver(() => (this.measure() ? this.redraw(this.held(), false) : undefined));
  }

  readonly node = node('ol', 'nbmlops-rows nbmlops-virtual');

  dispose(): void {
    cancelAnimationFrame(this._frame);
    this._sizes.disconnect();
    this._scroller?.removeEventListener('scroll', this);
    this.node.removeEventListener('keydown', this);
    this.node.removeEventListener('focusin', this);
  }

  /** Show so many rows, drawn anew where they changed. */
  set(count: number): void {
    const others = count !== this._count;
    this._count = count;
    this._active = Math.min(this._active, Math.max(0, count - 1));
    this.update();
    if (others) {
      this._more.clear(); // other rows stand there now
      this.measure();
      this.place();
    }
  }

  /** Draw what one sees: a row that is there already is kept, wherever it stands now. */
  update(): void {
    this.redraw(this.held());
  }

  /** Draw one row anew, where one sees it: the others are left alone. */
  renew(key: string): void {
    const at = [...this._shown].find(([, drawn]) => drawn.dataset.key === key);
    if (at) {
      this.reach(this.drawn(at[0], new Map([[key, at[1]]])), at[0] === this._active);
    }
  }

  /** Draw what one sees: all of it anew, or only what was not there. */
  private redraw(held: HTMLElement | null, anew = true): void {
    this.attach();
    const [first, last] = this.window();
    const wanted = new Set<number>();
    for (let i = first; i <= last; i++) {
      wanted.add(i);
    }
    if (this._count && this.held()) {
      wanted.add(this._active); // whoever stands in a row keeps it
    }
    const old = new Map(anew ? [...this._shown.values()].map(drawn => [drawn.dataset.key, drawn]) : []);
    const stands = (i: number): HTMLElement | undefined => (anew ? undefined : this._shown.get(i));
    const next = [...wanted].sort((a, b) => a - b).map(i => [i, stands(i) ?? this.drawn(i, old)] as const);
    const lost = held && !next.some(([, drawn]) => drawn === held);
    this.put(next);
    this.place();
    this.follow(held, lost ?? false);
    if (first !== this._seen[0] || last !== this._seen[1]) {
      this._seen = [first, last];
      this.about.seen(first, last);
    }
  }

  handleEvent(event: Event): void {
    if (event.type === 'scroll') {
      cancelAnimationFrame(this._frame);
      this._frame = requestAnimationFrame(() => this.redraw(this.held(), false));
    } else if (event.type === 'focusin') {
      this.focused(event.target as Element);
    } else if (event.type === 'keydown') {
      this.key(event as KeyboardEvent);
    }
  }

  /** Find what scrolls: known only when the list stands in the page. */
  private attach(): void {
    const scroller = this.node.closest<HTMLElement>('.nbmlops-section-body');
    if (scroller !== this._scroller) {
      this._scroller?.removeEventListener('scroll', this);
      this._scroller = scroller;
      scroller?.addEventListener('scroll', this, { passive: true });
    }
  }

  /** The first and the last row to draw. */
  private window(): [number, number] {
    const high = this._scroller?.clientHeight || 20 * HIGH;
    const from = (this._scroller?.scrollTop ?? 0) - this.node.offsetTop;
    const last = this._count - 1; // which may be above what one sees, where there were more before
    return [Math.max(0, Math.min(last, this.index(from)) - AROUND), Math.min(last, this.index(from + high) + AROUND)];
  }

  /** The row the keyboard stands in. */
  private held(): HTMLElement | null {
    const row = document.activeElement?.closest<HTMLElement>('.nbmlops-virtual > .nbmlops-row') ?? null;
    return row && this.node.contains(row) ? row : null;
  }

  /** Rows are patched only where they are of the same run: the keyboard must not pass to another one. */
  private drawn(i: number, old: Map<string | undefined, HTMLElement>): HTMLElement {
    const next = this.about.draw(i) ?? this.waiting(i);
    next.setAttribute('aria-posinset', String(i + 1));
    next.setAttribute('aria-setsize', String(this._count));
    const known = old.get(next.dataset.key);
    old.delete(next.dataset.key); // two rows of one name are two rows
    next.style.top = known?.style.top ?? '';
    return known ? patch(known, next) : next;
  }

  private waiting(i: number): HTMLElement {
    const made = node('li', 'nbmlops-row nbmlops-waiting');
    made.dataset.key = `waiting ${i}`;
    made.tabIndex = -1;
    return made;
  }

  /** Rows stand in the page in their order: so does who walks through them. */
  private put(next: readonly (readonly [number, HTMLElement])[]): void {
    const stays = new Set(next.map(([, drawn]) => drawn));
    this._shown.forEach(drawn => (stays.has(drawn) ? undefined : this.gone(drawn)));
    let at = this.node.firstElementChild;
    for (const [i, drawn] of next) {
      if (drawn === at) {
        at = at.nextElementSibling;
      } else {
        this.node.insertBefore(drawn, at);
        this._sizes.observe(drawn);
      }
      this.reach(drawn, i === this._active);
    }
    this._shown = new Map(next);
  }

  private gone(drawn: HTMLElement): void {
    this._sizes.unobserve(drawn);
    drawn.remove();
  }

  /** The keyboard stays with its row; where that row was still awaited, it passes to what came in its place. */
  private follow(held: HTMLElement | null, lost: boolean): void {
    const at = held && [...this._shown].find(([, drawn]) => drawn === held)?.[0];
    if (typeof at === 'number' && at !== this._active) {
      this._active = at;
      this._shown.forEach((drawn, i) => this.reach(drawn, i === at));
    } else if (lost && held?.classList.contains('nbmlops-waiting')) {
      this.stand();
    }
  }

  private place(): void {
    this._shown.forEach((drawn, i) => {
      drawn.style.top = `${this.top(i)}px`;
    });
    this.node.style.height = `${this.top(this._count)}px`;
  }

  /** Rows that are open are higher: by how much is measured; returns whether any changed. */
  private measure(): boolean {
    let changed = false;
    this._shown.forEach((drawn, i) => {
      const more = Math.max(0, drawn.offsetHeight - HIGH);
      changed = changed || (this._more.get(i) ?? 0) !== more;
      if (more) {
        this._more.set(i, more);
      } else {
        this._more.delete(i);
      }
    });
    return changed;
  }

  private top(index: number): number {
    let more = 0;
    this._more.forEach((high, at) => (more += at < index ? high : 0));
    return index * HIGH + more;
  }

  /** The row at a height. */
  private index(y: number): number {
    let at = Math.floor(y / HIGH);
    while (at > 0 && this.top(at) > y) {
      at -= Math.max(1, Math.floor((this.top(at) - y) / HIGH));
    }
    return Math.max(0, at);
  }

  /** Only one row is reached by Tab; arrows lead to the others. */
  private reach(drawn: Element, active: boolean): void {
    drawn.querySelectorAll<HTMLElement>('.nbmlops-row-head button, .nbmlops-row-head input').forEach(control => {
      control.tabIndex = active ? 0 : -1;
    });
  }

  private focused(target: Element): void {
    const at = this.at(target);
    if (at !== undefined && at !== this._active) {
      const before = this._shown.get(this._active);
      this._active = at;
      [before, this._shown.get(at)].forEach((drawn, i) => drawn && this.reach(drawn, i === 1));
    }
  }

  private key(event: KeyboardEvent): void {
    const target = event.target as Element;
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: 10,
      PageUp: -10,
      Home: -this._count,
      End: this._count
    };
    const step = steps[event.key];
    const head = target.closest('.nbmlops-row-head, .nbmlops-waiting');
    if (step === undefined || !head || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const to = Math.min(this._count - 1, Math.max(0, this._active + step));
    const place = [...head.querySelectorAll('button, input')].indexOf(target as HTMLButtonElement);
    this.go(to, place < 0 ? this._place : place);
  }

  private go(to: number, place: number): void {
    this._active = to;
    const scroller = this._scroller;
    if (scroller) {
      const [above, below] = [this.node.offsetTop + this.top(to), this.node.offsetTop + this.top(to + 1)];
      const sticky = scroller.querySelector<HTMLElement>('.nbmlops-controls')?.offsetHeight ?? 0;
      if (above - sticky < scroller.scrollTop) {
        scroller.scrollTop = to ? above - sticky : 0; // with what stands above the first
      } else if (below > scroller.scrollTop + scroller.clientHeight) {
        scroller.scrollTop = below - scroller.clientHeight;
      }
    }
    this._place = place;
    this.redraw(null, false);
    this.stand();
  }

  /** Put the keyboard on the row it is to be on, or on what stands there until that row came. */
  private stand(): void {
    const row = this._shown.get(this._active);
    const controls = row?.querySelectorAll<HTMLElement>('.nbmlops-row-head button, .nbmlops-row-head input') ?? [];
    (controls[Math.min(this._place, controls.length - 1)] ?? row)?.focus({ preventScroll: true });
  }

  private at(target: Element): number | undefined {
    return [...this._shown].find(([, drawn]) => drawn.contains(target))?.[0];
  }

  private _count = 0;
  private _active = 0;
  private _place = 0;
  private _frame = 0;
  private _seen: [number, number] = [-1, -1];
  private _shown = new Map<number, HTMLElement>();
  private _more = new Map<number, number>();
  private _sizes: ResizeObserver;
  private _scroller: HTMLElement | null = null;
}
