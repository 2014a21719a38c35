/** The MIME renderer of a run: draws hostile JSON safely, so it works in untrusted notebooks too. */

import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { notARun, runCard } from './card';
import { RUN_MIME, readRun } from './run';

class RenderedRun extends Widget implements IRenderMime.IRenderer {
  constructor(options: IRenderMime.IRendererOptions) {
    super();
    this._options = options;
    this.addClass('nbmlops-output');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const trans = (this._options.translator ?? nullTranslator).load('nbmlops');
    const run = readRun(model.data[this._options.mimeType]);
    this.node.replaceChildren(run ? runCard(run, trans) : notARun(trans));
  }

  private _options: IRenderMime.IRendererOptions;
}

const extension: IRenderMime.IExtension = {
  id: 'nbmlops:run',
  description: 'Shows a run of nbmlops.',
  rendererFactory: {
    safe: true,
    mimeTypes: [RUN_MIME],
    createRenderer: options => new RenderedRun(options)
  },
  rank: 0,
  dataType: 'json'
};

export default extension;
