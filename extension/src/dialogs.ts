/** Dialogs that ask for something before it is done: a reason, an answer, the parameters of a job. */

import { Dialog, Notification } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { IWords, node, quiet, text } from './draw';
import { Refused } from './request';

const OK = 1; // the place of the button that does it

/** What somebody filled in, by name. */
export type Values = Record<string, unknown>;

/** A field of a form. */
export interface IField {
  readonly name: string;
  readonly label: string;
  readonly kind: 'line' | 'words' | 'number' | 'whole' | 'tick' | 'choice';
  readonly value?: unknown;
  readonly help?: string;
  readonly required?: boolean;
  /** Of a choice: what is sent, and what is shown. */
  readonly options?: readonly (readonly [string, string])[];
}

/** A dialog with a form. */
export interface IForm {
  readonly title: string;
  readonly button: string;
  readonly fields: readonly IField[];
  /** What one should know before. */
  readonly about?: readonly (Node | string)[];
  /** Say why what is filled in cannot be; empty where it can. */
  readonly wrong?: (values: Values) => string;
  /** Do it; the dialog stands until that is done, and where it fails says why, with everything that was typed. */
  readonly act: (values: Values) => Promise<unknown>;
  /** Whether it throws work away: Enter alone goes back then. */
  readonly harms?: boolean;
}

/** Ask until it is done or somebody gives up; returns whether it was done. */
export async function ask(form: IForm, trans: IWords): Promise<boolean> {
  const from = document.activeElement;
  const section = from?.closest('.nbmlops-section');
  const dialog = new Asking(form, trans);
  await dialog.launch();
  dialog.dispose();
  if (from && !from.isConnected) {
    section?.querySelector('button')?.focus(); // the row one stood in is gone: its section's title is left
  }
  return (await dialog.doing) ?? false;
}

/** Say that something is being done, where it takes longer than people wait without a word. */
export async function meanwhile<T>(said: string, done: Promise<T>): Promise<T> {
  let shown = '';
  const late = setTimeout(() => (shown = Notification.emit(said, 'in-progress', { autoClose: false })), 700);
  try {
    return await done;
  } finally {
    clearTimeout(late);
    if (shown) {
      Notification.dismiss(shown);
    }
  }
}

/** Say why something is not to be had, and nothing else. */
export async function refuse(title: string, why: string, trans: IWords): Promise<void> {
  const body = new Widget({ node: node('div', 'nbmlops-asked', node('p', '', why)) });
  const dialog = new Dialog({ title, body, buttons: [Dialog.okButton({ label: trans.__('Close') })] });
  await dialog.launch();
  dialog.dispose();
}

/** Ask which one of several; returns null where somebody gives up. */
export async function choose(
  title: string,
  label: string,
  options: readonly (readonly [string, string])[],
  trans: IWords
): Promise<string | null> {
  let chosen: string | null = null;
  const field: IField = { name: 'one', label, kind: 'choice', options, value: options[0]?.[0] };
  const act = async (values: Values): Promise<void> => {
    chosen = text(values.one, 1000);
  };
  await ask({ title, button: trans.__('Choose'), fields: [field], act }, trans);
  return chosen;
}

/** A dialog that stands until what it asks for is done, or somebody goes away. */
class Asking extends Dialog<unknown> {
  constructor(
    private readonly form: IForm,
    trans: IWords
  ) {
    const body = new Form(form, trans);
    super({
      title: form.title,
      body,
      focusNodeSelector: 'textarea, input, select',
      defaultButton: form.harms ? 0 : OK,
      buttons: [
        Dialog.cancelButton({ label: form.fields.length ? trans.__('Cancel') : trans.__('Go back') }),
        Dialog.okButton({ label: form.button })
      ]
    });
    this.body = body;
    this.addClass('nbmlops-dialog');
    this.node.addEventListener('input', () => this.grey());
    // Lab looks whether fields are valid when one types: look at once, so that no empty form can be sent.
    void this.ready.then(() => body.check());
  }

  /** What is being done; whoever goes away meanwhile is told by it how that ended. */
  doing: Promise<boolean> | null = null;

  /** Do it once, and close when that is done; older Labs name no button where Enter was pressed in a field. */
  resolve(index = this.form.harms ? 0 : OK): void {
    if (index !== OK) {
      super.resolve(index);
    } else if (!this.doing && !this.wrong) {
      this.body.say(quiet(this.form.title, ' …'));
      this.doing = this.form.act(this.body.values()).then(() => true);
      this.doing.then(
        () => super.resolve(OK),
        (error: unknown) => this.failed(error)
      );
    }
  }

  handleEvent(event: Event): void {
    const key = event instanceof KeyboardEvent ? event.key : '';
    if (key !== 'Enter' || !(document.activeElement instanceof HTMLAnchorElement)) {
      super.handleEvent(event); // Enter on a link follows it, and answers nothing
    }
  }

  /** Labs before 4.6 know of fields that are not valid, and of nothing else that is wrong. */
  private grey(): void {
    const button = this.node.querySelector<HTMLButtonElement>('button.jp-mod-accept');
    if (button) {
      button.disabled = this.wrong;
    }
  }

  private get wrong(): boolean {
    return !!this.node.querySelector(':invalid, .jp-mod-error');
  }

  private failed(error: unknown): void {
    if (!this.isDisposed) {
      this.doing = null;
      this.body.say(...complaint(error));
    }
  }

  private readonly body: Form;
}

/** A form as the body of a dialog. */
class Form extends Widget {
  constructor(
    form: IForm,
    private readonly trans: IWords
  ) {
    super({ node: node('div', 'nbmlops-asked', ...(form.about ?? [])) });
    this._form = form;
    for (const field of form.fields) {
      this.node.append(this.field(field, field.value));
    }
    this._said.setAttribute('role', 'alert');
    this.node.append(this._wrong, this._said);
    this._wrong.setAttribute('role', 'status');
    this.node.addEventListener('input', () => (this.judge() ? this.check() : undefined));
  }

  /** Judge what is there, and have Lab do so. */
  check(): void {
    this.judge();
    this.node.dispatchEvent(new Event('input', { bubbles: true }));
  }

  /** Say what becomes of it. */
  say(...said: Node[]): void {
    this._said.replaceChildren(...said);
  }

  /** Return what is filled in. */
  values(): Values {
    return Object.fromEntries(this._form.fields.map(field => [field.name, this.value(field)]));
  }

  /** Returns whether it was right and is wrong now, or the other way: Lab, which looks first, has to look again. */
  private judge(): boolean {
    const why = this._form.wrong?.(this.values()) ?? '';
    const changed = (this._wrong.textContent === '') !== (why === '');
    this._wrong.textContent = why;
    this._wrong.classList.toggle('jp-mod-error', why !== '');
    return changed;
  }

  private value(field: IField): unknown {
    const control = this._controls.get(field.name);
    if (control instanceof HTMLInputElement && field.kind === 'tick') {
      return control.checked;
    }
    const typed = control?.value ?? '';
    if (field.kind === 'number' || field.kind === 'whole') {
      return typed.trim() === '' ? null : Number(typed);
    }
    return typed;
  }

  private field(field: IField, value: unknown): HTMLElement {
    const control = made(field, value);
    const id = `nbmlops-field-${field.name}`;
    control.id = id;
    this._controls.set(field.name, control);
    const label = node('label', '', field.label);
    label.htmlFor = id;
    if (field.required) {
      label.append(node('span', 'nbmlops-quiet', ' *'));
      control.setAttribute('required', '');
    }
    const whole = field.kind === 'tick' ? [node('div', 'nbmlops-asked-tick', control, label)] : [label, control];
    const drawn = node('div', 'nbmlops-asked-field', ...whole);
    const about = [
      ...(field.kind === 'number' || field.kind === 'whole' ? [this.misfit(field, control)] : []),
      ...(field.help ? [quiet(field.help)] : [])
    ];
    about.forEach((line, i) => (line.id = `${id}-about-${i}`));
    if (about.length) {
      control.setAttribute('aria-describedby', about.map(line => line.id).join(' '));
    }
    drawn.append(...about);
    return drawn;
  }

  /** A line that says why what is typed in a field is no such number; empty where it is one, or nothing. */
  private misfit(field: IField, control: Control): HTMLElement {
    const line = node('p', 'nbmlops-wrong');
    control.addEventListener('input', () => {
      const { badInput, stepMismatch } = control.validity;
      const due = field.kind === 'whole' ? this.trans.__('A whole number, such as 3.') : this.trans.__('A number.');
      const said = badInput || stepMismatch ? due : '';
      if (line.textContent !== said) {
        line.textContent = said;
        control.setAttribute('aria-invalid', String(said !== ''));
      }
    });
    return line;
  }

  private _form: IForm;
  private _controls = new Map<string, Control>();
  private _wrong = node('p', 'nbmlops-wrong');
  private _said = node('div', 'nbmlops-said-no');
}

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** Make what a field is filled in with. */
function made(field: IField, value: unknown): Control {
  if (field.kind === 'choice') {
    const options = (field.options ?? []).map(([key, said]) => new Option(said, key, false, key === text(value, 1000)));
    return node('select', 'nbmlops-asked-input jp-mod-styled', ...options);
  }
  if (field.kind === 'words') {
    const words = node('textarea', 'nbmlops-asked-input jp-mod-styled');
    words.rows = 3;
    words.value = text(value, 20_000);
    return words;
  }
  const line = node('input', field.kind === 'tick' ? '' : 'nbmlops-asked-input jp-mod-styled');
  if (field.kind === 'tick') {
    line.type = 'checkbox';
    line.checked = value === true;
    return line;
  }
  line.type = field.kind === 'line' ? 'text' : 'number';
  line.step = field.kind === 'whole' ? '1' : 'any';
  line.value = value === null || value === undefined ? '' : text(value, 20_000);
  return line;
}

function complaint(error: unknown): Node[] {
  const said = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Refused ? error.hint : '';
  return [node('p', 'nbmlops-error', said), ...(hint ? [quiet(hint)] : [])];
}
