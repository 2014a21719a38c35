// Tests of what is drawn and of what the panel decides: plain DOM, no JupyterLab; what we take of Lab stands in test/lab.
module.exports = {
  testEnvironment: 'jsdom',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  setupFiles: ['<rootDir>/test/lab/browser.ts'],
  moduleNameMapper: { '^@jupyterlab/(apputils|coreutils|services)$': '<rootDir>/test/lab/$1' },
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'test/tsconfig.json' }] }
};
