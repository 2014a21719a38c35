/** Changing what is drawn in place: what stays the same keeps its element, its focus, its fold and its scroll. */

/** A drawing that changes itself: what it shows, and how it takes something newer. */
interface ILive {
  readonly kind: string;
  readonly data: unknown;
  set(data: unknown): void;
}

type Handlers = Map<string, (event: Event) => void>;

const HANDLERS = new WeakMap<Node, Handlers>();
const LIVE = new WeakMap<Node, ILive>();

/** Say that an element changes itself when a newer one of its kind is to be drawn over it. */
export function live<T>(drawn: HTMLElement, kind: string, data: T, set: (data: T) => void): void {
  const known: ILive = { kind, data, set: set as (data: unknown) => void };
  LIVE.set(drawn, known);
}

/** Call a function on an event; an element that is drawn over calls the newer one. */
export function on(drawn: Element, type: string, act: (event: Event) => void): void {
  const known: Handlers = HANDLERS.get(drawn) ?? new Map();
  if (!known.has(type)) {
    drawn.addEventListener(type, event => HANDLERS.get(drawn)?.get(type)?.(event));
  }
  HANDLERS.set(drawn, known.set(type, act));
}

/** Let a drawing that changes itself show something newer; false where it is none of that kind. */
export function renewed(drawn: Node, kind: string, data: unknown): boolean {
  const known = LIVE.get(drawn);
  if (known?.kind === kind) {
    known.set(data);
    return true;
  }
  return false;
}

/** Make one element look like another in as few changes as there are; returns the one that stands there after. */
export function patch<T extends Node>(old: T, next: T): T {
  const [own, other] = [LIVE.get(old), LIVE.get(next)];
  if (own && other && own.kind === other.kind) {
    own.set(other.data);
    return old;
  }
  if (own || other || old.nodeName !== next.nodeName || !handedOver(old, next)) {
    (old as unknown as ChildNode).replaceWith(next);
    return next;
  }
  if (old instanceof Element && next instanceof Element) {
    attributes(old, next);
    if (old instanceof HTMLInputElement && next instanceof HTMLInputElement) {
      old.checked = next.checked;
    }
    children(old, Array.from(next.childNodes));
  } else if (old.nodeValue !== next.nodeValue) {
    old.nodeValue = next.nodeValue;
  }
  return old;
}

/** Put children into an element, in place of those there were, in as few changes as there are. */
export function children(parent: Element, next: Node[]): void {
  const old = Array.from(parent.childNodes);
  next.forEach((child, i) => (i < old.length ? patch(old[i], child) : parent.append(child)));
  old.slice(next.length).forEach(child => child.remove());
}

/** Give an element what another calls on events; false where they do not listen to the same. */
function handedOver(old: Node, next: Node): boolean {
  const [own, newer] = [HANDLERS.get(old), HANDLERS.get(next)];
  if ([...(own?.keys() ?? [])].join() !== [...(newer?.keys() ?? [])].join()) {
    return false;
  }
  if (newer) {
    HANDLERS.set(old, newer);
  }
  return true;
}

function attributes(old: Element, next: Element): void {
  for (const { name, value } of Array.from(next.attributes)) {
    if (old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }
  for (const { name } of Array.from(old.attributes)) {
    // What somebody opened stays open.
    if (!next.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS')) {
      old.removeAttribute(name);
    }
  }
}
