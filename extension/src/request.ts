/** Asking the server side of nbmlops. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** The version of the answers this panel understands. */
export const API = 1;

/** The server side is not there, or speaks another version: nothing can be asked. */
export class BackendMissing extends Error {}

/** Return the JSON of the runs of a notebook, newest first. */
export async function fetchRuns(notebook: string, settings: ServerConnection.ISettings): Promise<unknown[]> {
  const answer = (await ask('runs', { notebook }, settings)) as { runs?: unknown };
  return Array.isArray(answer.runs) ? answer.runs : [];
}

/**
 * Check that the server side is there and speaks our version.
 *
 * @throws BackendMissing
 */
export async function checkBackend(settings: ServerConnection.ISettings): Promise<void> {
  const answer = (await ask('status', {}, settings)) as { api?: unknown; version?: unknown };
  if (answer.api !== API) {
    throw new BackendMissing(`nbmlops ${String(answer.version)} on the server does not fit this panel.`);
  }
}

async function ask(
  what: string,
  query: Record<string, string>,
  settings: ServerConnection.ISettings
): Promise<unknown> {
  const url = URLExt.join(settings.baseUrl, 'nbmlops', 'api', what) + URLExt.objectToQueryString(query);
  const response = await ServerConnection.makeRequest(url, {}, settings);
  const body = await response.text();
  let json: { message?: unknown };
  try {
    json = JSON.parse(body);
  } catch {
    // Jupyter answers an address nobody serves with a page, ours are always JSON.
    throw new BackendMissing(`The server answered ${response.status} without JSON.`);
  }
  if (!response.ok) {
    throw new Error(typeof json.message === 'string' ? json.message : `The server answered ${response.status}.`);
  }
  return json;
}
