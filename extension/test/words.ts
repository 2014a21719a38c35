/** A translator that translates nothing, for tests. */

import { IWords } from '../src/draw/nodes';

const filled = (text: string, values: unknown[]): string =>
  text.replace(/%(\d+)/g, (_, n) => String(values[Number(n) - 1]));

export const trans: IWords = {
  __: (text, ...values) => filled(text, values),
  _n: (one, many, count, ...values) => filled(count === 1 ? one : many, [count, ...values])
};
