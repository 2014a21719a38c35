/** What is done in the open notebook, by its model alone: no kernel is asked for anything. */

import { NotebookPanel } from '@jupyterlab/notebook';

/** Show the cell with an id; returns whether the notebook has it. */
export function goTo(notebook: NotebookPanel | null, cellId: string): boolean {
  const at = place(notebook, cellId);
  if (!notebook || at < 0) {
    return false;
  }
  show(notebook, at);
  return true;
}

/** Put a source into a new cell below the one with an id, or below where one is; returns whether it could. */
export function restore(notebook: NotebookPanel | null, cellId: string, source: string): boolean {
  const model = notebook?.content.model;
  if (!notebook || !model || model.readOnly) {
    return false;
  }
  const found = place(notebook, cellId);
  const at = (found < 0 ? notebook.content.activeCellIndex : found) + 1;
  model.sharedModel.insertCell(at, { cell_type: 'code', source, metadata: { trusted: true } });
  show(notebook, at);
  return true;
}

function place(notebook: NotebookPanel | null, cellId: string): number {
  return cellId ? (notebook?.content.widgets.findIndex(cell => cell.model.id === cellId) ?? -1) : -1;
}

function show(notebook: NotebookPanel, at: number): void {
  notebook.content.activeCellIndex = at;
  void notebook.content.scrollToItem(at, 'smart');
}
