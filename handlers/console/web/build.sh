#!/bin/sh
# Rebuilds the files that the console vendors from the versions in
# package-lock.json. Needs npm; the results are committed.
set -eu
cd "$(dirname "$0")"
npm ci --no-audit --no-fund
out=../static/vendor
mkdir -p "$out" ../../testdata/axe
cp node_modules/htmx.org/dist/htmx.min.js "$out/htmx.js"
cp node_modules/htmx-ext-sse/dist/sse.min.js "$out/htmx-sse.js"
cp node_modules/uplot/dist/uPlot.iife.min.js "$out/uplot.js"
cp node_modules/uplot/dist/uPlot.min.css "$out/uplot.css"
cp node_modules/axe-core/axe.min.js ../../testdata/axe/axe.js
npx esbuild editor.js --bundle --minify --format=iife --target=es2022 --legal-comments=none --outfile="$out/editor.js"
node licenses.js > LICENSES.txt
