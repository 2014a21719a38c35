/** Jobs: what runs now with its cell, what failed and why, what comes next. */

import { Content, dotted, duration, Fields, fields, node, number, quiet, records, status, text, texts } from '../draw';
import { part } from '../request';
import { Ids } from './ids';
import { act, answer, IPanel, ISection, nothing, row, rows, view, Views, when } from './section';

const ID = 'jobs';
const FIRST = ['running', 'failed'];

/** Make the section of jobs. */
export function jobs(panel: IPanel): ISection {
  const { kept, server, trans } = panel;
  const views = new Views(panel, () => panel.redraw(ID));
  let known: Fields = {};
  let round = 0;
  let news: Fields[] = []; // told while an answer was awaited

  /** Take in what a running job told: a work that is known changes, another comes first. */
  function told(work: Fields): void {
    const before = records(known.works).find(one => named(one) === named(work));
    news.push(work);
    known = taken(known, work);
    panel.redraw(ID);
    if (work.live !== true && before?.live !== false) {
      void panel.refresh(); // it left a run behind, perhaps a model
    }
  }

  function taken(known: Fields, work: Fields): Fields {
    const works = records(known.works);
    const at = works.findIndex(one => named(one) === named(work));
    const next = at < 0 ? [work, ...works] : works.map((one, i) => (i === at ? work : one));
    return { ...known, works: ordered(next) };
  }

  function work(one: Fields): HTMLElement {
    const [id, run] = [named(one), text(one.run_id)];
    const name = text(one.job) || text(one.notebook) || id;
    const at = one.started_at ?? one.ended_at;
    return row(panel, ID, {
      key: `work:${id}`,
      title: name,
      beside: [node('span', 'nbmlops-space'), at ? when(at) : ''],
      below: [
        status(text(one.status), text(one.reason)),
        one.duration_s === null ? '' : node('span', 'nbmlops-took', duration(one.duration_s)),
        one.job && one.key ? node('span', 'nbmlops-quiet', text(one.key)) : '', // of what runs once it says nothing
        ...progress(one),
        one.error ? node('span', 'nbmlops-error', text(one.error)) : ''
      ],
      inside: () => [buttons(one, run), ...(run ? inside(one, run) : [])]
    });
  }

  /** How far a running one is: its cells as a bar and in words. */
  function progress(one: Fields): Content[] {
    const cells = fields(one.cells);
    const [done, total] = [number(cells.done) ?? 0, number(cells.total) ?? 0];
    if (one.live !== true || !total) {
      return [];
    }
    const bar = node('progress', 'nbmlops-progress');
    bar.max = total;
    bar.value = done;
    bar.setAttribute('max', String(total));
    bar.setAttribute('value', String(done));
    bar.setAttribute('aria-label', trans.__('Cells done'));
    const current = text(cells.current, 80);
    const said = trans.__('cell %1 of %2', Math.min(done + 1, total), total);
    return [bar, node('span', 'nbmlops-quiet', current ? `${said}: ${current}` : said)];
  }

  function buttons(one: Fields, run: string): HTMLElement {
    const path = text(one.output, 1000);
    const ended = one.live !== true;
    return node(
      'div',
      'nbmlops-actions',
      ...(ended && one.has_output
        ? [act(trans.__('Open its notebook'), () => panel.run(Ids.openFile, { path, run }))]
        : []),
      ...(run && ended ? [act(trans.__('Open the report'), () => panel.run(Ids.openReport, { ref: run }))] : []),
      ...(run && ended && one.work_id ? [act(trans.__('Run it again'), () => panel.run(Ids.retryJob, { run }))] : []),
      ...(run && !ended && one.work_id ? [act(trans.__('Cancel…'), () => panel.run(Ids.cancelJob, { run }))] : [])
    );
  }

  function inside(one: Fields, run: string): Content[] {
    const said = views.get(run, JSON.stringify(one), () => server.get(`jobs/${part(run)}`));
    return answer(said, trans, whole => [view(whole, trans) ?? '']);
  }

  function schedule(one: Fields): HTMLElement {
    const resting = text(one.state) && one.state !== 'on';
    const next = resting ? [status(text(one.state))] : one.next_at ? [trans.__('next '), when(one.next_at)] : [];
    const last = one.last ? [node('span', '', trans.__('last '), status(text(one.last)))] : [];
    return row(panel, ID, {
      key: `schedule:${text(one.job)}`,
      title: text(one.job),
      beside: [node('span', 'nbmlops-space'), node('span', 'nbmlops-quiet', text(one.trigger))],
      below: [node('span', '', ...next), ...last, one.says ? node('span', 'nbmlops-quiet', text(one.says)) : ''],
      inside: null
    });
  }

  function schedules(all: Fields[]): HTMLElement[] {
    const head = node('h3', 'nbmlops-group', trans.__('Schedules'));
    head.dataset.key = 'schedules';
    return all.length ? [head, rows(trans.__('Schedules'), all.map(schedule))] : [];
  }

  /** When the scheduler ticked; nothing where no job waits for it. */
  function ticked(scheduler: unknown): HTMLElement[] {
    const tick = fields(scheduler);
    if (!scheduler) {
      return [];
    }
    if (!tick.last_tick_at) {
      return [quiet(text(tick.why) || trans.__('No scheduler has run here. Start: nbmlops scheduler run'))];
    }
    const late = tick.late === true ? status('late') : '';
    return [dotted(node('span', '', trans.__('Scheduler: last tick '), when(tick.last_tick_at)), late, text(tick.why))];
  }

  function drawn(): HTMLElement[] {
    const works = ordered(records(known.works));
    const begin = act(trans.__('Run this notebook as a job…'), () => panel.run(Ids.runJob), 'nbmlops-wide-button');
    const list = works.length ? [rows(trans.__('Jobs, running and failed first'), works.map(work))] : [];
    const none = works.length ? [] : nothing(trans.__('No job has run yet.'));
    const made = node('div', 'nbmlops-controls', begin);
    made.dataset.key = 'controls';
    return [made, ...none, ...list, ...schedules(records(known.schedules)), ...ticked(known.scheduler)];
  }

  /** Ask; an answer that a later one overtook counts for nothing, and what was told meanwhile is newer than it. */
  async function load(): Promise<unknown> {
    const mine = ++round;
    news = [];
    const said = await server.get('jobs');
    if (mine === round) {
      known = news.reduce(taken, said);
    }
    return known;
  }

  /** Those that failed since somebody looked, else those that run. */
  function waits(waiting: Fields, open: boolean): Content[] {
    const [running, failed] = [number(waiting.running) ?? 0, texts(waiting.failed, 50)];
    const count = failed.filter(at => at > kept.chosen('failed', '')).length;
    if (open && count) {
      kept.choose('failed', failed[0]); // they are seen
    }
    if (count && !open) {
      return [status('failed'), ` ${count}`];
    }
    return running ? [status('running'), ` ${running}`] : [];
  }

  return {
    id: ID,
    title: trans.__('Jobs'),
    load,
    waits,
    draw: drawn,
    watch: ended => server.events('jobs/events', (name, data) => (name === 'job' ? told(data) : undefined), ended)
  };
}

/** The key of a work; the run where a notebook was executed without one, which can be neither cancelled nor tried again. */
function named(one: Fields): string {
  return text(one.work_id) || text(one.run_id);
}

/** Running first, then failed, then the rest as it came. */
function ordered(works: Fields[]): Fields[] {
  const place = (one: Fields): number => {
    const at = FIRST.indexOf(one.live === true ? 'running' : text(one.status));
    return at < 0 ? FIRST.length : at;
  };
  return [...works].sort((a, b) => place(a) - place(b));
}
