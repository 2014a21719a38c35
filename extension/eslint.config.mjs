import js from '@eslint/js';
import jupyter from '@jupyter/eslint-plugin';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  js.configs.recommended,
  ...tseslint.configs.recommended,
  ...jupyter.configs.recommended,
  {
    files: ['src/**/*.ts', 'test/**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-namespace': 'off', // CommandIDs, IOptions: as JupyterLab does
      'no-control-regex': 'off', // control characters are what is looked for
      'no-restricted-properties': [
        'error',
        ...['innerHTML', 'outerHTML', 'insertAdjacentHTML'].map(property => ({
          property,
          message: 'Nothing is read as HTML.'
        }))
      ]
    }
  },
  {
    // A drawing shows the same, whenever and wherever it is drawn.
    files: ['src/draw/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', 'fetch', 'localStorage', 'eval', 'setTimeout', 'setInterval'],
      'no-restricted-syntax': [
        'error',
        { selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']", message: 'No clock.' },
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'No clock.' },
        { selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']", message: 'No chance.' }
      ]
    }
  },
  { files: ['test/**/*.ts'], rules: { 'jupyter/no-untranslated-string': 'off' } }
);
