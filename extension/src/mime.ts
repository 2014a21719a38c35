/** The MIME renderer: draws what nbmlops shows from its JSON, safely, so it works in untrusted notebooks too. */

import { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { draw, DRAWINGS, mimeOf, redraw } from './draw';

class Rendered extends Widget implements IRenderMime.IRenderer {
  constructor(options: IRenderMime.IRendererOptions) {
    super();
    this._options = options;
    this.addClass('nbmlops-output');
  }

  /** Draw, over what was drawn before where it is an update. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const trans = (this._options.translator ?? nullTranslator).load('nbmlops');
    const { mimeType } = this._options;
    const data = model.data[mimeType];
    if (this._drawn) {
      this._drawn = redraw(this._drawn, mimeType, data, trans);
      return;
    }
    this._drawn = draw(mimeType, data, trans);
    this.node.replaceChildren(this._drawn);
  }

  private _options: IRenderMime.IRendererOptions;
  private _drawn: HTMLElement | null = null;
}

const extension: IRenderMime.IExtension = {
  id: 'nbmlops:drawing',
  description: 'Shows runs, models, drift and all else of nbmlops.',
  rendererFactory: {
    safe: true,
    mimeTypes: [...DRAWINGS.keys()].map(mimeOf),
    createRenderer: options => new Rendered(options)
  },
  rank: 0,
  dataType: 'json'
};

export default extension;
