/** What we take of `@jupyterlab/apputils`: a dialog as Lab's own closes, and what is said beside. */

import { Widget } from '@lumino/widgets';

interface IButton {
  readonly label: string;
  readonly accept: boolean;
}

interface IOptions {
  readonly title: string;
  readonly body: Widget;
  readonly buttons: readonly IButton[];
  readonly defaultButton?: number;
  readonly focusNodeSelector?: string;
}

export class Dialog<T> extends Widget {
  static okButton = ({ label }: { label: string }): IButton => ({ label, accept: true });
  static cancelButton = ({ label }: { label: string }): IButton => ({ label, accept: false });

  constructor(private readonly options: IOptions) {
    super({ node: document.createElement('dialog') });
    this.buttons = options.buttons.map(({ label, accept }) =>
      Object.assign(document.createElement('button'), { textContent: label, className: accept ? 'jp-mod-accept' : '' })
    );
    this.node.append(options.title, options.body.node, ...this.buttons);
    this.node.addEventListener('keydown', this, true);
    this.node.addEventListener('click', this, true);
  }

  readonly ready = Promise.resolve();

  launch(): Promise<{ button: IButton; value: T | null }> {
    this._from = document.activeElement;
    document.body.append(this.node);
    const chosen =
      this.options.focusNodeSelector && this.options.body.node.querySelector(this.options.focusNodeSelector);
    ((chosen || this.buttons[this.usual]) as HTMLElement).focus();
    return new Promise(done => (this._done = done));
  }

  resolve(index = this.usual): void {
    this.closed(this.options.buttons[index]);
  }

  reject(): void {
    this.closed(Dialog.cancelButton({ label: '' }));
  }

  handleEvent(event: Event): void {
    const at = this.buttons.findIndex(button => button.contains(event.target as Node));
    const key = event instanceof KeyboardEvent ? event.key : '';
    if (event.type === 'click' ? at >= 0 : key === 'Enter') {
      this.resolve(at < 0 ? undefined : at); // as Lab 4.2
    } else if (key === 'Escape') {
      this.reject();
    }
  }

  private get usual(): number {
    return this.options.defaultButton ?? this.options.buttons.length - 1;
  }

  private closed(button: IButton): void {
    if (this._done) {
      this._done({ button, value: null });
      this._done = null;
      this.node.remove();
      this.dispose();
      (this._from as HTMLElement | null)?.focus();
    }
  }

  private readonly buttons: HTMLButtonElement[];
  private _from: Element | null = null;
  private _done: ((result: { button: IButton; value: T | null }) => void) | null = null;
}

/** What was said beside. */
export const told: string[] = [];
const tell = (said: string): string => `${told.push(said)}`;

export const Notification = {
  emit: tell,
  dismiss: (): void => undefined,
  success: tell,
  warning: tell,
  error: tell
};
