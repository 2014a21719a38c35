/** What we take of `@jupyterlab/coreutils`. */
export const URLExt = {
  join: (...parts: string[]): string => parts.map(part => part.replace(/^\/|\/$/g, '')).join('/')
};
