/** What we take of `@jupyterlab/services`: requests go to the settings, which are a test's. */
export const ServerConnection = {
  makeRequest: (url: string, init: RequestInit, settings: { ask(url: string, init: RequestInit): unknown }): unknown =>
    settings.ask(url, init)
};
