/** The one door to the drawing module, for the MIME renderer and the panel: so it is bundled as one piece. */

export { Content, dotted, fold, IWords, node, quiet, status } from './nodes';
export { on, patch } from './patch';
export { sparkline } from './plot';
export { duration, Fields, fields, number, numbers, quantity, records, text, texts } from './values';
export { draw, DRAWINGS, mimeOf, redraw } from './view';
