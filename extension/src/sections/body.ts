/** A section as it stands in the panel: its title, which opens and closes it, and what it holds. */

import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { Fields, node, quiet } from '../draw';
import { IPanel, ISection, settle, trouble } from './section';

const TITLE = 30; // pixels, with the lines around it
const AGAIN_MS = 10_000; // after which a stream that ended is listened to again
const CONTROLS = 'button, input, select, a, summary, [tabindex]';

/** A section with its title. */
export class Body extends Widget {
  constructor(
    private readonly panel: IPanel,
    readonly section: ISection
  ) {
    super({ node: node('section', 'nbmlops-section') });
    const caption = node('span', 'nbmlops-section-caret', '▸');
    caption.setAttribute('aria-hidden', 'true');
    this._toggle.append(caption, node('span', '', section.title), this._waits);
    this._toggle.setAttribute('aria-label', section.title);
    this._waits.id = `nbmlops-waits-${section.id}`;
    this._toggle.setAttribute('aria-describedby', this._waits.id);
    this._toggle.type = 'button';
    this._toggle.addEventListener('click', () => this.setOpen(!this.isOpen));
    this._scroller.setAttribute('role', 'region');
    this._scroller.setAttribute('aria-label', section.title);
    this._scroller.append(this._held);
    this._held.append(quiet(panel.trans.__('Loading…')));
    // Sections share the height by how much they hold: a short one leaves its share to the others.
    this._high = new ResizeObserver(() => this.measured());
    this._high.observe(this._held);
    this.node.dataset.section = section.id;
    this.node.append(node('h2', 'nbmlops-section-title', this._toggle), this._scroller);
    this.show_(this.isOpen);
  }

  /** Whether somebody opened it. */
  get isOpen(): boolean {
    return this.panel.kept.isOpen(this.section.id);
  }

  dispose(): void {
    if (!this.isDisposed) {
      this.unwatch();
      this._high.disconnect();
      this.section.dispose?.();
      super.dispose();
    }
  }

  /** Open or close it; what is closed asks nothing. */
  setOpen(open: boolean): void {
    if (open !== this.isOpen) {
      this.panel.kept.setOpen(this.section.id, open);
    }
    this.show_(open);
    this.tell(this._waiting);
    if (open) {
      this.redraw();
      void this.panel.refresh(this.section.id);
    } else {
      this.unwatch();
    }
  }

  /** Look as it was kept, after the page was loaded. */
  restore(): void {
    this.show_(this.isOpen);
  }

  /** Let nothing be pressed until it was asked again: what stands here may be of another project. */
  doubt(): void {
    this._round += 1;
    this.unwatch();
    this.tell({});
    this._held.inert = true;
  }

  /** Put the keyboard on its title. */
  focus(): void {
    this._toggle.focus();
    this.node.scrollIntoView({ block: 'nearest' });
  }

  /** Ask and draw; throws why there is no answer, unless another question was asked meanwhile. */
  async load(): Promise<void> {
    const round = ++this._round;
    try {
      const said = await this.section.load();
      if (round === this._round && !this.isDisposed) {
        this._said = said;
        this._loaded = true;
        this._held.inert = false;
        this.redraw();
        this.watch();
      }
    } catch (error) {
      if (round !== this._round || this.isDisposed) {
        return;
      }
      this.forget();
      throw error;
    }
  }

  /** Take away what is no answer about the open notebook: there is none. */
  forget(): void {
    this._loaded = this._loaded && !this._held.inert;
    this._held.inert = false;
    if (!this._loaded) {
      this.put([]);
    }
  }

  /** Say what is wrong above what one knew before: nothing that was read is taken away. */
  complain(error: unknown): void {
    const known = this._loaded ? this.section.draw(this._said) : [];
    const said = trouble(error, this.panel.trans);
    said.dataset.key = 'trouble';
    this.put([said, ...known]);
  }

  /** Say in the title what waits. */
  tell(waiting: Fields): void {
    this._waiting = waiting;
    const said = this.section.waits?.(waiting, this.isOpen) ?? [];
    const next = node('span', 'nbmlops-waits', ...said);
    if (next.textContent !== this._waits.textContent) {
      this._waits.replaceChildren(...next.childNodes);
    }
  }

  /** Draw again what is known. */
  redraw(): void {
    if (this._loaded && this.isOpen && !this._held.inert) {
      this.put(this.section.draw(this._said));
      this.reach();
    }
  }

  /** Stop to listen. */
  unwatch(): void {
    clearTimeout(this._again);
    this._watched?.();
    this._watched = null;
  }

  protected onBeforeDetach(message: Message): void {
    this.unwatch();
    super.onBeforeDetach(message);
  }

  /** Put in what was drawn. Who stood on what is gone now stands on what came in its place, or on the title. */
  private put(drawn: HTMLElement[]): void {
    const controls = (): HTMLElement[] => [...this._held.querySelectorAll<HTMLElement>(CONTROLS)];
    const held = document.activeElement as HTMLElement;
    const at = controls().indexOf(held);
    settle(this._held, drawn);
    if (at >= 0 && !this._held.contains(document.activeElement)) {
      const left = controls();
      (this._held.contains(held) ? held : (left[Math.min(at, left.length - 1)] ?? this._toggle)).focus();
    }
  }

  private measured(): void {
    this.node.style.setProperty('--nbmlops-high', `${this._held.offsetHeight + TITLE}px`);
    this.reach();
  }

  /** Let the keyboard reach tables that are wider than the panel: they scroll. */
  private reach(): void {
    this._held.querySelectorAll<HTMLElement>('.nbmlops-wide').forEach(table => {
      if (table.scrollWidth > table.clientWidth && !table.hasAttribute('tabindex')) {
        table.tabIndex = 0;
        table.setAttribute('role', 'group');
        table.setAttribute('aria-label', this.panel.trans.__('Table'));
      }
    });
  }

  /** Listen while somebody looks; where the other side hangs up, ask what it told meanwhile and listen again. */
  private watch(): void {
    if (!this._watched && this.section.watch && this.isOpen && this.isVisible && !document.hidden) {
      clearTimeout(this._again);
      this._watched = this.section.watch(() => {
        this.unwatch();
        this._again = window.setTimeout(() => void this.panel.refresh(this.section.id), AGAIN_MS);
      });
    }
  }

  private show_(open: boolean): void {
    this._toggle.setAttribute('aria-expanded', String(open));
    this.toggleClass('nbmlops-mod-open', open);
    this._scroller.hidden = !open;
  }

  private _waiting: Fields = {};
  private _waits = node('span', 'nbmlops-waits');
  private _toggle = node('button', 'nbmlops-section-toggle');
  private _scroller = node('div', 'nbmlops-section-body');
  private _held = node('div', 'nbmlops-held');
  private _high: ResizeObserver;
  private _said: unknown = null;
  private _loaded = false;
  private _round = 0;
  private _watched: (() => void) | null = null;
  private _again = 0;
}
