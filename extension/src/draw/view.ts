/**
 * Drawing any object nbmlops shows, from its JSON: the one module behind the MIME renderer and the panel.
 *
 * The JSON is not trusted. No drawing throws, runs anything in it, or follows an address but http(s) and relative ones.
 */

import { check } from './kinds/check';
import { comparison } from './kinds/comparison';
import { drift } from './kinds/drift';
import { evaluation } from './kinds/evaluation';
import { explanation } from './kinds/explanation';
import { gate } from './kinds/gate';
import { generic, plain } from './kinds/generic';
import { agreed, approvals, charter, flag } from './kinds/governed';
import { job } from './kinds/job';
import { lineage } from './kinds/lineage';
import { model } from './kinds/model';
import { profile } from './kinds/profile';
import { report, reports } from './kinds/reports';
import { run } from './kinds/run';
import { runs } from './kinds/runs';
import { kindOf } from './kinds';
import { IWords, leftOut } from './nodes';
import { patch, renewed } from './patch';
import { fields } from './values';

/** A drawing of one kind. */
export type Drawing = (data: unknown, trans: IWords) => HTMLElement;

/** What has a drawing of its own; every other kind is drawn by what it holds. */
export const DRAWINGS: ReadonlyMap<string, Drawing> = new Map<string, Drawing>([
  ['agreed', agreed],
  ['approvals', approvals],
  ['charter', charter],
  ['check', check],
  ['comparison', comparison],
  ['drift', drift],
  ['evaluation', evaluation],
  ['explanation', explanation],
  ['flag', flag],
  ['gate', gate],
  ['job', job],
  ['lineage', lineage],
  ['model', model],
  ['profile', profile],
  ['report', report],
  ['reports', reports],
  ['retrained', job],
  ['run', run],
  ['runs', runs]
]);

/** An object as the server sends it: what it is, and its JSON. */
export interface IView {
  readonly kind: string;
  readonly mime?: string;
  readonly data: unknown;
}

/**
 * Draw an object.
 *
 * @param kind - Its kind, such as `run`, or its MIME type; one we do not know is drawn as plain text.
 * @param data - Its JSON.
 */
export function draw(kind: string, data: unknown, trans: IWords): HTMLElement {
  const known = kindOf(kind);
  if (known === null || typeof data !== 'object' || data === null) {
    return plain(kind, data, trans);
  }
  try {
    const drawing = DRAWINGS.get(known);
    const drawn = drawing ? drawing(data, trans) : generic(known, data, trans);
    const left = leftOut(fields(data), trans);
    if (left && known !== 'runs') {
      drawn.append(left); // runs say it themselves, whenever they are newer
    }
    return drawn;
  } catch {
    return plain(kind, data, trans);
  }
}

/**
 * Draw an object over what was drawn of it before: in place, so that focus, folds and scroll stay and nothing jumps.
 *
 * @returns What stands there after; `old` itself unless it was of another kind.
 */
export function redraw(old: HTMLElement, kind: string, data: unknown, trans: IWords): HTMLElement {
  if (typeof data === 'object' && data !== null && renewed(old, kindOf(kind) ?? '', data)) {
    return old;
  }
  return patch(old, draw(kind, data, trans));
}

/** Draw what the server sent as a view; anything else is drawn as plain text. */
export function drawView(view: IView | null | undefined, trans: IWords): HTMLElement {
  const mime = typeof view?.mime === 'string' ? view.mime : view?.kind;
  return draw(typeof mime === 'string' ? mime : '', view?.data, trans);
}
