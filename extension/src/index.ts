/** The nbmlops plugin: the panel, its command, and when it refreshes. */

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';

import { RunsPanel } from './panel';

namespace CommandIDs {
  export const openPanel = 'nbmlops:open-panel';
}

const PLUGIN = 'nbmlops:plugin';

const icon = new LabIcon({
  name: 'nbmlops:runs',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">' +
    '<path d="M3 4h4v4H3zM3 10h4v4H3zM3 16h4v4H3zM9 5h12v2H9zM9 11h9v2H9zM9 17h5v2H9z"/></g></svg>'
});

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'A panel with the tracked runs of the open notebook.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer, ISettingRegistry, ITranslator],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  registry: ISettingRegistry | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load('nbmlops');
  const panel = new RunsPanel({
    settings: app.serviceManager.serverSettings,
    trans,
    notebook: () => tracker.currentWidget,
    // A drive such as the one of real-time collaboration is a prefix the server does not know.
    path: notebook => app.serviceManager.contents.localPath(notebook.context.path)
  });
  panel.title.icon = icon;
  app.shell.add(panel, 'left', { rank: 650, type: 'nbmlops' });
  restorer?.add(panel, panel.id);

  tracker.currentChanged.connect(() => panel.refresh());
  const executed = (): void => panel.refresh();
  NotebookActions.executed.connect(executed);
  panel.disposed.connect(() => NotebookActions.executed.disconnect(executed));

  app.commands.addCommand(CommandIDs.openPanel, {
    label: trans.__('Show Runs of This Notebook'),
    caption: trans.__('Open the nbmlops panel with the tracked runs of the open notebook'),
    describedBy: { args: { type: 'object', properties: {} } },
    icon,
    execute: () => app.shell.activateById(panel.id)
  });
  palette?.addItem({ command: CommandIDs.openPanel, category: 'nbmlops' });
  void registry?.load(PLUGIN).then(settings => {
    const apply = (): void => panel.setInterval(settings.get('pollSeconds').composite as number);
    settings.changed.connect(apply);
    apply();
  });
}

export default plugin;
