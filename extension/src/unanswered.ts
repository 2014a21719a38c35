/** What is said where the server side is missing, is of another version, or does not answer as it should. */

import { IWords, node, quiet } from './draw';
import { API, BackendMissing, Refused } from './request';

const MISSING = "pip install 'nbmlops[lab]'\njupyter server extension enable nbmlops\nnbmlops doctor";
const OLDER = "pip install --upgrade 'nbmlops[lab]'\nnbmlops doctor";

/** Say why there is no answer, with the lines to type where some help. */
export function unanswered(error: unknown, trans: IWords): HTMLElement[] {
  if (error instanceof BackendMissing) {
    return missing(error, trans);
  }
  const why = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Refused && error.hint ? [quiet(error.hint)] : [];
  return [node('strong', '', trans.__('The server does not answer as it should.')), node('p', '', why), ...hint];
}

function missing(error: BackendMissing, trans: IWords): HTMLElement[] {
  const restart = trans.__('In the environment that starts JupyterLab, type the lines below; then start it again.');
  const fits = trans.__(
    'nbmlops %1 on the server does not fit this panel, which needs its API %2.',
    error.version,
    API
  );
  const said = error.version
    ? [node('strong', '', fits)]
    : [
        node('strong', '', trans.__('The server side of nbmlops is missing.')),
        node('p', '', trans.__('The server answered %1 without JSON.', error.message))
      ];
  return [...said, node('p', '', restart), node('pre', 'nbmlops-example', error.version ? OLDER : MISSING)];
}
