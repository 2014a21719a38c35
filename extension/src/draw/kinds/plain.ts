/** What there is no drawing of: its JSON as plain text. */

import { IWords, node, quiet } from '../nodes';
import { json, text } from '../values';

/** Draw what is no kind we know. */
export function plain(kind: string, data: unknown, trans: IWords): HTMLElement {
  const said = trans.__('This nbmlops does not know %1. A newer one may.', text(kind, 80) || '?');
  return node('div', 'nbmlops-plain', quiet(said), node('pre', '', text(json(data, 4000, '  '), 4100)));
}
