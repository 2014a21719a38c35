/** Compare: the runs that are ticked, beside each other. */

import { node, quiet } from '../draw';
import { Refused } from '../request';
import { act, IPanel, ISection, nothing, trouble, view } from './section';

const ID = 'compare';
const MOST = 6; // as the server takes them

/** Make the section that compares. */
export function compare(panel: IPanel): ISection {
  const { kept, server, trans } = panel;
  const ids = (): string[] => kept.ticks.slice(0, MOST).map(run => run.id);

  /** Every ticked run with what unticks it, and what unticks all. */
  function ticked(): HTMLElement {
    const all = kept.ticks.map(run => {
      const gone = act('×', () => kept.tick(run, false), 'nbmlops-untick');
      gone.setAttribute('aria-label', trans.__('Do not compare %1 (%2)', run.name, run.id.slice(-6)));
      return node('li', 'nbmlops-ticked', run.name, ' ', node('span', 'nbmlops-quiet', run.id.slice(-6)), gone);
    });
    const made = node('ul', 'nbmlops-ticks', ...all);
    made.setAttribute('aria-label', trans.__('Ticked runs'));
    return node(
      'div',
      'nbmlops-ticks-bar',
      made,
      act(trans.__('Untick all'), () => kept.setTicks([]))
    );
  }

  return {
    id: ID,
    title: trans.__('Compare'),
    // What is refused is drawn with the ticks: whoever ticked a run that is gone, or of another project, unticks it.
    load: async () => {
      const asked = ids().length < 2 ? Promise.resolve(null) : server.get('compare', { runs: ids().join(',') });
      return asked.catch((error: unknown) => {
        if (error instanceof Refused && error.status < 500) {
          return error;
        }
        throw error;
      });
    },
    draw: said => {
      const drawn = said instanceof Refused ? trouble(said, trans) : said ? view(said, trans) : null;
      if (!kept.ticks.length) {
        return nothing(trans.__('Tick two runs or more in "This notebook" to compare them.'));
      }
      const more = kept.ticks.length > MOST ? [quiet(trans.__('The first %1 are compared.', MOST))] : [];
      return [ticked(), ...more, drawn ?? quiet(trans.__('Tick one more run.'))];
    }
  };
}
