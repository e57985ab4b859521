// How the pages are built: into dist/, which the server embeds. `npm run dev` serves them with the API of
// a doorbook at DOORBOOK_URL (default http://127.0.0.1:8080).

import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const server = process.env['DOORBOOK_URL'] ?? 'http://127.0.0.1:8080';

/** What the first page consists of, and the others need as well. */
const BASE =
  /\/(node_modules\/(svelte|esm-env|clsx|openapi-fetch)|clients\/js|src\/(api|feed|time|i18n\/(en|index)|router|page|session\/(?!HandOn|QrReader)|ui\/(Header|Notice|FreshnessBadge|CapacityBar|fullness|Bars|theme)|gathering\/evacuation\/roster))/;

export default defineConfig({
  plugins: [svelte()],
  resolve: {
    alias: {
      'doorbook-stream': fileURLToPath(
        new URL('../clients/js/doorbook-stream.js', import.meta.url),
      ),
    },
  },
  build: {
    target: 'es2023',
    // The policy of the pages allows no inline module, and every browser that runs them preloads.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        // One file for what every page needs: on a slow phone each further one costs more than its bytes.
        codeSplitting: {
          groups: [
            {
              name: 'base',
              test: BASE,
            },
          ],
        },
      },
    },
    reportCompressedSize: true,
  },
  server: {
    fs: { allow: ['..'] },
    proxy: Object.fromEntries(
      ['/api', '/ws', '/healthz', '/readyz', '/openapi.json', '/docs'].map((path) => [
        path,
        { target: server, ws: path === '/ws' },
      ]),
    ),
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
