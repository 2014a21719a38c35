/** Every action of the panel as a command: buttons, toolbar and palette do the same. */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';

import { Fields, fields, records, text } from './draw';
import { ask, choose, meanwhile } from './dialogs';
import { part } from './request';
import { decide, promote, reply, runAsJob } from './sections/deeds';
import { goTo, restore } from './sections/cells';
import { Ids } from './sections/ids';
import { Server } from './request';
import { IPanel } from './sections/section';

/** What a command is given: texts by name, all of them optional, for in the palette there are none. */
export type Args = Record<string, string>;

/** The panel as commands see it. */
export interface IShown extends IPanel {
  readonly sections: readonly { readonly id: string; readonly title: string }[];
  /** Bring it to the front, with a section open if one is named. */
  showSection(section: string): void;
  /** Ask again because somebody wants to. */
  again(): void;
}

interface ICommand {
  readonly id: string;
  readonly label: string;
  readonly caption?: string;
  /** Its arguments with what they mean. */
  readonly args?: Record<string, string>;
  readonly enabled?: () => boolean;
  readonly visible?: () => boolean;
  readonly act: (args: Args) => Promise<unknown> | void;
}

/** Add every command but the one that opens the panel; all of them stand in the palette. Returns what takes them away. */
export function addCommands(app: JupyterFrontEnd, panel: IShown, palette: ICommandPalette | null): () => void {
  const { trans } = panel;
  const added = all(app, panel).map(one => {
    const properties = Object.fromEntries(
      Object.entries(one.args ?? {}).map(([name, description]) => [name, { type: 'string', description }])
    );
    const known = app.commands.addCommand(one.id, {
      label: one.label,
      caption: one.caption ?? one.label,
      describedBy: { args: { type: 'object', properties } },
      isEnabled: one.enabled,
      isVisible: one.visible,
      execute: args => said(one.act(args as Args))
    });
    palette?.addItem({ command: one.id, category: trans.__('nbmlops') });
    return known;
  });
  return () => added.forEach(one => one.dispose());
}

/** Say what went wrong, in Lab's own place for it. */
export async function said<T>(done: Promise<T> | T): Promise<T | undefined> {
  try {
    return await done;
  } catch (error) {
    Notification.error(error instanceof Error ? error.message : String(error), { autoClose: 10_000 });
    return undefined;
  }
}

function all(app: JupyterFrontEnd, panel: IShown): ICommand[] {
  const { trans } = panel;
  const open = (): boolean => panel.notebook() !== null;
  const promotes = (): boolean => panel.promotes;
  const version = { model: trans.__('The name of the model'), version: trans.__('The number of its version') };
  const run = { run: trans.__('The id of a run') };
  return [
    {
      id: Ids.showSection,
      label: trans.__('Show a Section of the Panel…'),
      args: { section: trans.__('Its id: %1', panel.sections.map(s => s.id).join(', ')) },
      act: async args => {
        const asked = () => choose(trans.__('Show a section'), trans.__('Section'), sections(panel), trans);
        const section = args.section || (await asked());
        return section ? panel.showSection(section) : undefined;
      }
    },
    { id: Ids.refresh, label: trans.__('Refresh the Panel'), act: () => panel.again() },
    {
      id: Ids.compare,
      label: trans.__('Compare the Ticked Runs'),
      act: () => panel.showSection('compare')
    },
    {
      id: Ids.goToCell,
      label: trans.__('Go to the Cell of a Run…'),
      args: { cell: trans.__('The id of a cell'), notebook: trans.__('The notebook it is of') },
      enabled: open,
      act: args => toCell(panel, args)
    },
    {
      id: Ids.restoreSource,
      label: trans.__('Restore the Source of a Run…'),
      caption: trans.__('Put the source a run had into a new cell below its own; nothing is run'),
      args: { ...run, cell: trans.__('The id of a cell') },
      enabled: open,
      act: args => restored(panel, args)
    },
    {
      id: Ids.openReport,
      label: trans.__('Open a Report…'),
      caption: trans.__('Open a report in a tab of the browser; it is made if there is none'),
      args: { ref: trans.__('What it is about: a run, a model, a check') },
      act: args => openReport(panel, args)
    },
    {
      id: Ids.openFile,
      label: trans.__('Open the Notebook of a Job…'),
      caption: trans.__(
        'Open what a job executed; it is copied beside the notebook if it lies where Jupyter opens nothing'
      ),
      args: { ...run, path: trans.__('The path of a notebook') },
      act: async args => {
        const path = args.path || (await copied(panel, args));
        return path ? app.commands.execute('docmanager:open', { path }) : undefined;
      }
    },
    {
      id: Ids.approve,
      label: trans.__('Approve a Model Version…'),
      args: version,
      visible: promotes,
      act: args => withVersion(panel, args, (server, model, number) => decide(panel, server, model, number, true))
    },
    {
      id: Ids.reject,
      label: trans.__('Reject a Model Version…'),
      args: version,
      visible: promotes,
      act: args => withVersion(panel, args, (server, model, number) => decide(panel, server, model, number, false))
    },
    {
      id: Ids.promote,
      label: trans.__('Promote a Model Version…'),
      args: version,
      visible: promotes,
      act: args => withVersion(panel, args, (server, model, number) => promote(panel, server, model, number))
    },
    {
      id: Ids.answer,
      label: trans.__('Answer a Question…'),
      args: { id: trans.__('The id of a question') },
      act: args => answered(panel, args)
    },
    {
      id: Ids.runJob,
      label: trans.__('Run This Notebook as a Job…'),
      caption: trans.__('Execute the saved notebook in a process of its own, with the parameters you give'),
      enabled: open,
      act: async () => ((await runAsJob(panel)) ? panel.showSection('jobs') : undefined)
    },
    {
      id: Ids.cancelJob,
      label: trans.__('Cancel a Job…'),
      args: run,
      act: args => onJob(panel, args, 'cancel', trans.__('Cancel a job'), w => w.live === true && !!w.work_id)
    },
    {
      id: Ids.retryJob,
      label: trans.__('Run a Job Again…'),
      args: run,
      act: args => onJob(panel, args, 'retry', trans.__('Run a job again'), w => w.live !== true && !!w.work_id)
    },
    {
      id: Ids.openDrift,
      label: trans.__('Open the Newest Drift Check of a Model…'),
      args: { model: trans.__('The name of the model') },
      act: args => openDrift(panel, args)
    }
  ];
}

function sections(panel: IShown): [string, string][] {
  return panel.sections.map(({ id, title }) => [id, title]);
}

/** Have the executed notebook of a job copied beside its notebook; return where it lies. */
async function copied(panel: IShown, args: Args): Promise<string> {
  const { server, trans } = panel;
  const run =
    args.run || (await chosenWork(panel, trans.__('Open the notebook of a job'), 'run_id', w => w.has_output === true));
  return run ? text((await server.post(`jobs/${part(run)}/output`, {})).path, 1000) : '';
}

async function toCell(panel: IShown, args: Args): Promise<void> {
  const { trans } = panel;
  if (args.notebook && !same(panel.path(), args.notebook)) {
    const said = trans.__('That run is of %1, and another notebook is open.', args.notebook);
    Notification.warning(said, { autoClose: 5000 });
    return;
  }
  const cell = args.cell || (await chosenRun(panel, trans.__('Go to the cell of a run'), 'cell_id'));
  if (cell && !goTo(panel.notebook(), cell)) {
    Notification.warning(trans.__('The open notebook has no such cell: it is another notebook, or the cell is gone.'), {
      autoClose: 5000
    });
  }
}

/** Whether a path of the server and one of a project may be the same: either may begin further up. */
function same(path: string, notebook: string): boolean {
  return path === notebook || path.endsWith(`/${notebook}`) || notebook.endsWith(`/${path}`);
}

async function restored(panel: IShown, args: Args): Promise<void> {
  const { trans } = panel;
  const [server, open] = [panel.server.pinned(), panel.notebook()];
  const run = args.run || (await chosenRun(panel, trans.__('Restore the source of a run'), 'run_id'));
  if (!run) {
    return;
  }
  const cells = records((await server.get(`runs/${part(run)}/source`)).cells);
  const cell = cells.find(one => one.cell_id === args.cell) ?? (await chosenCell(panel, cells));
  if (!cell) {
    if (!cells.length) {
      throw new Error(trans.__('No source is kept of this run.'));
    }
    return;
  }
  // As it was written: what cannot be seen may be part of it.
  if (!restore(open, text(cell.cell_id), typeof cell.source === 'string' ? cell.source : '')) {
    throw new Error(trans.__('Open a notebook one may change: its source is put into a new cell there.'));
  }
}

async function chosenCell(panel: IShown, cells: Fields[]): Promise<Fields | undefined> {
  if (cells.length < 2) {
    return cells[0];
  }
  const { trans } = panel;
  const options = cells.map((one, i) => [String(i), text(one.source, 80)] as const);
  const at = await choose(trans.__('Restore a cell'), trans.__('Cell'), options, trans);
  return at === null ? undefined : cells[Number(at)];
}

async function chosenRun(panel: IShown, title: string, field: string): Promise<string | null> {
  const { server, trans } = panel;
  const found = records((await server.get('runs', { scope: 'notebook', limit: 100 })).runs);
  const options = found
    .filter(run => run[field])
    .map(run => [text(run[field]), `${text(run.name)} · ${text(run.status)} · ${text(run.started_at)}`] as const);
  return chosen(panel, title, trans.__('Run'), options);
}

async function chosenWork(
  panel: IShown,
  title: string,
  field: string,
  fits: (work: Fields) => boolean
): Promise<string | null> {
  const { server, trans } = panel;
  const works = records((await server.get('jobs')).works).filter(work => work[field] && fits(work));
  const named = (work: Fields): string => text(work.job) || text(work.notebook);
  const options = works.map(
    work => [text(work[field], 1000), `${named(work)} · ${text(work.status)} · ${text(work.started_at)}`] as const
  );
  return chosen(panel, title, trans.__('Job'), options);
}

/** Ask which one; where there is none, say so. */
async function chosen(
  panel: IShown,
  title: string,
  label: string,
  options: readonly (readonly [string, string])[]
): Promise<string | null> {
  if (!options.length) {
    throw new Error(panel.trans.__('%1: there is none.', title));
  }
  return choose(title, label, options, panel.trans);
}

/** Open a report in a tab that knows nothing of this one; one that took long to make is offered, for tabs that
 * open by themselves are blocked. */
async function openReport(panel: IShown, args: Args): Promise<void> {
  const { server, trans } = panel;
  const ref = args.ref || (await chosenReport(panel));
  if (!ref) {
    return;
  }
  const began = Date.now();
  const barred = await panel.barred();
  const made = barred
    ? await known(panel, ref, barred)
    : await meanwhile(trans.__('The report is being made'), server.post('reports', { ref }));
  const url = server.trusted(made.url);
  if (!url) {
    throw new Error(trans.__('The server named no report of its own.'));
  }
  const open = (): void => void window.open(url, '_blank', 'noopener');
  if (Date.now() - began < 4000) {
    open();
  } else {
    Notification.success(trans.__('The report is made.'), {
      autoClose: false,
      actions: [{ label: trans.__('Open the report'), callback: open }]
    });
  }
}

/** Find a report that was made: who may not write cannot have one made. */
async function known(panel: IShown, ref: string, barred: string): Promise<Fields> {
  const made = records((await panel.server.get('reports')).reports).find(one => one.ref === ref);
  if (!made) {
    throw new Error(panel.trans.__('Nobody made a report of %1 yet. %2', ref, barred));
  }
  return made;
}

async function chosenReport(panel: IShown): Promise<string | null> {
  const { server, trans } = panel;
  const known = records((await server.get('reports')).reports);
  const options = known.map(one => [text(one.ref), `${text(one.title)} · ${text(one.made_at)}`] as const);
  return chosen(panel, trans.__('Open a report'), trans.__('Report'), options);
}

/** Do something with a version of a model, asking first which one where none is named. */
async function withVersion(
  panel: IShown,
  args: Args,
  deed: (server: Server, model: string, version: string) => Promise<unknown>
): Promise<unknown> {
  const { trans } = panel;
  const server = panel.server.pinned();
  if (args.model && args.version) {
    return deed(server, args.model, args.version);
  }
  const known = records((await server.get('models')).models);
  const options = known.flatMap(model =>
    records(model.versions).map(one => {
      const aliases = Array.isArray(one.aliases) ? one.aliases.join(', ') : '';
      return [
        JSON.stringify([text(model.name), text(one.version)]),
        [text(one.ref), aliases].filter(Boolean).join(' · ')
      ] as const;
    })
  );
  const named = await chosen(panel, trans.__('Which model version'), trans.__('Model version'), options);
  return named ? deed(server, ...(JSON.parse(named) as [string, string])) : undefined;
}

async function answered(panel: IShown, args: Args): Promise<unknown> {
  const { trans } = panel;
  const server = panel.server.pinned();
  const known = records((await server.get('questions', { state: 'all' })).questions);
  const options = known
    .filter(one => one.state === 'open')
    .map(one => [text(one.id), `${text(one.subject)}: ${text(one.text, 80)}`] as const);
  const id = args.id || (await chosen(panel, trans.__('Answer a question'), trans.__('Question'), options));
  const question = known.find(one => text(one.id) === id);
  return question ? reply(panel, server, question) : undefined;
}

async function onJob(
  panel: IShown,
  args: Args,
  what: 'cancel' | 'retry',
  title: string,
  fits: (work: Fields) => boolean
): Promise<void> {
  const server = panel.server.pinned();
  const run = args.run || (await chosenWork(panel, title, 'run_id', fits));
  if (run && (what === 'retry' || (await sure(panel, run)))) {
    await server.post(`jobs/${part(run)}/${what}`, {});
    await panel.refresh('jobs'); // until the row says so, a second click is none
  }
}

/** Ask before work is thrown away. */
async function sure(panel: IShown, run: string): Promise<boolean> {
  const { trans } = panel;
  const about = [trans.__('Run %1 ends where it is; what it made so far is kept.', run.slice(-6))];
  const form = { title: trans.__('Cancel a job'), button: trans.__('Cancel the job'), fields: [], about, harms: true };
  return ask({ ...form, act: () => Promise.resolve() }, trans);
}

async function openDrift(panel: IShown, args: Args): Promise<void> {
  const { kept, server, trans } = panel;
  const known = records(fields(await server.get('drift')).models);
  const options = known.map(one => [text(one.name), text(one.ref) || text(one.name)] as const);
  const model = args.model || (await chosen(panel, trans.__('Open the newest check'), trans.__('Model'), options));
  if (model) {
    kept.setOpen(`drift:${model}`, true);
    panel.showSection('drift');
  }
}
