// Added to the builder's own settings, so that less travels: short names between modules, style without its blanks.
module.exports = {
  optimization: { mangleExports: 'size' },
  module: {
    rules: [{ test: /\.css$/, enforce: 'pre', loader: 'builtin:lightningcss-loader', options: { minify: true } }]
  }
};
