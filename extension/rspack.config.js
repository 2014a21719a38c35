// Added to the builder's own settings, so that less travels: short names between modules, style without its blanks.
const { SwcJsMinimizerRspackPlugin } = require('@rspack/core');

module.exports = {
  optimization: {
    mangleExports: 'size',
    minimizer: [
      new SwcJsMinimizerRspackPlugin({
        minimizerOptions: {
          ecma: 2020,
          compress: { ecma: 2020, passes: 4, keep_fargs: false, unsafe_arrows: true, unsafe_methods: true },
          format: { ecma: 2020, comments: false }
        }
      })
    ]
  },
  module: {
    rules: [{ test: /\.css$/, enforce: 'pre', loader: 'builtin:lightningcss-loader', options: { minify: true } }]
  }
};
