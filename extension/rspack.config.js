// Added to the builder's own settings, so that less travels: short names between modules, scripts looked at three times
// and written for the browsers of today, style without its blanks.
const { rspack } = require('@rspack/core');

module.exports = {
  optimization: {
    mangleExports: 'size',
    minimizer: [
      new rspack.SwcJsMinimizerRspackPlugin({
        minimizerOptions: { ecma: 2020, compress: { passes: 3, ecma: 2020 }, format: { comments: false } }
      })
    ]
  },
  module: {
    rules: [{ test: /\.css$/, enforce: 'pre', loader: 'builtin:lightningcss-loader', options: { minify: true } }]
  }
};
