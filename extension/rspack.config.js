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
    rules: [
      { test: /\.css$/, enforce: 'pre', loader: 'builtin:lightningcss-loader', options: { minify: true } },
      // Nobody goes around the door of the drawing module: so all behind it becomes one piece, without calls between.
      { test: /lib\/draw\/index\.js$/, sideEffects: true }
    ]
  }
};
