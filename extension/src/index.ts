/** The nbmlops plugin: the panel, its commands, and when it refreshes. */

import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import { Throttler } from '@lumino/polling';

import { addCommands } from './commands';
import { texts } from './draw';
import { SidePanel } from './panel';
import { Ids } from './sections/ids';

const PLUGIN = 'nbmlops:plugin';
const SOON_MS = 700;

const icon = new LabIcon({
  name: 'nbmlops:runs',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">' +
    '<path d="M3 4h4v4H3zM3 10h4v4H3zM3 16h4v4H3zM9 5h12v2H9zM9 11h9v2H9zM9 17h5v2H9z"/></g></svg>'
});

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'A panel with the runs of the open notebook, and the models, questions, jobs and drift of its project.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ILayoutRestorer, ISettingRegistry, IStateDB, ITranslator],
  activate
};

function activate(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  registry: ISettingRegistry | null,
  state: IStateDB | null,
  translator: ITranslator | null
): void {
  const trans = (translator ?? nullTranslator).load('nbmlops');
  const panel = new SidePanel({
    settings: app.serviceManager.serverSettings,
    trans,
    commands: app.commands,
    state,
    notebook: () => tracker.currentWidget,
    // A drive such as the one of real-time collaboration is a prefix the server does not know.
    path: notebook => app.serviceManager.contents.localPath(notebook.context.path),
    activate: () => app.shell.activateById(panel.id)
  });
  panel.title.icon = icon;
  app.shell.add(panel, 'left', { rank: 650, type: 'nbmlops' });
  restorer?.add(panel, panel.id);

  const turned = (): void => panel.turned();
  // Cells that follow each other closely are one reason to ask, not many.
  const soon = new Throttler(() => panel.refresh(), { limit: SOON_MS, edge: 'trailing' });
  const executed = (): void => void soon.invoke();
  tracker.currentChanged.connect(turned);
  NotebookActions.executed.connect(executed);
  panel.disposed.connect(() => {
    tracker.currentChanged.disconnect(turned);
    NotebookActions.executed.disconnect(executed);
    soon.dispose();
  });

  app.commands.addCommand(Ids.openPanel, {
    label: trans.__('Show the nbmlops Panel'),
    caption: trans.__('Open the nbmlops panel: runs of the open notebook, models, questions, jobs, drift'),
    describedBy: { args: { type: 'object', properties: {} } },
    icon,
    execute: () => app.shell.activateById(panel.id)
  });
  palette?.addItem({ command: Ids.openPanel, category: trans.__('nbmlops') });
  const gone = addCommands(app, panel, palette);
  panel.disposed.connect(gone);

  void registry?.load(PLUGIN).then(settings => {
    const apply = (): void => {
      const { pollSeconds, sections, promotion } = settings.composite;
      panel.configure(Number(pollSeconds), texts(sections), promotion === true);
    };
    settings.changed.connect(apply);
    panel.disposed.connect(() => settings.changed.disconnect(apply));
    apply();
  });
}

export default plugin;
