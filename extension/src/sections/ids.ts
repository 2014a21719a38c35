/** The names of the commands: what a button, a menu and the palette do is the same. */

export namespace Ids {
  export const openPanel = 'nbmlops:open-panel';
  export const showSection = 'nbmlops:show-section';
  export const refresh = 'nbmlops:refresh';
  export const goToCell = 'nbmlops:go-to-cell';
  export const restoreSource = 'nbmlops:restore-source';
  export const openReport = 'nbmlops:open-report';
  export const openFile = 'nbmlops:open-output';
  export const compare = 'nbmlops:compare-runs';
  export const approve = 'nbmlops:approve-model';
  export const reject = 'nbmlops:reject-model';
  export const promote = 'nbmlops:promote-model';
  export const answer = 'nbmlops:answer-question';
  export const runJob = 'nbmlops:run-as-job';
  export const cancelJob = 'nbmlops:cancel-job';
  export const retryJob = 'nbmlops:retry-job';
  export const openDrift = 'nbmlops:open-drift';
}
