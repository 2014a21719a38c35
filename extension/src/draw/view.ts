/**
 * Drawing what nbmlops shows, from its JSON: the one module behind the MIME renderer and the panel.
 *
 * A kind without a drawing here is none of ours: JupyterLab shows the HTML that Python made of it, which says it in words.
 * The JSON is not trusted. No drawing throws, runs anything in it, or follows an address but http(s) and relative ones.
 */

import { check } from './kinds/check';
import { comparison } from './kinds/comparison';
import { drift } from './kinds/drift';
import { evaluation } from './kinds/evaluation';
import { explanation } from './kinds/explanation';
import { gate } from './kinds/gate';
import { agreed, approvals, charter, flag } from './kinds/governed';
import { job } from './kinds/job';
import { lineage } from './kinds/lineage';
import { model } from './kinds/model';
import { plain } from './kinds/plain';
import { profile } from './kinds/profile';
import { report, reports } from './kinds/reports';
import { run } from './kinds/run';
import { runs } from './kinds/runs';
import { IWords, leftOut } from './nodes';
import { patch, renewed } from './patch';
import { fields } from './values';

/** A drawing of one kind. */
export type Drawing = (data: unknown, trans: IWords) => HTMLElement;

/** Every kind that is drawn: a module of `nbmlops.widgets` each, which a test compares. */
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

/** Return the MIME type of a kind, in the version we draw. */
export function mimeOf(kind: string): string {
  return `application/vnd.nbmlops.${kind}.v1+json`;
}

/**
 * Draw an object.
 *
 * @param kind - Its kind, such as `run`, or its MIME type; one we do not know is drawn as plain text.
 * @param data - Its JSON.
 */
export function draw(kind: string, data: unknown, trans: IWords): HTMLElement {
  const known = kindOf(kind);
  const drawing = DRAWINGS.get(known);
  if (!drawing || typeof data !== 'object' || data === null) {
    return plain(kind, data, trans);
  }
  try {
    const drawn = drawing(data, trans);
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
  if (typeof data === 'object' && data !== null && renewed(old, kindOf(kind), data)) {
    return old;
  }
  return patch(old, draw(kind, data, trans));
}

/** Return the kind that a MIME type, or a kind's own name, means. */
function kindOf(said: string): string {
  return [...DRAWINGS.keys()].find(kind => said === mimeOf(kind)) ?? said;
}
