// Fails when a package that the pages are built with has a licence that is not on the list; the same list as
// that of the Rust dependencies, and the few that only the tools have.

import { readFileSync } from 'node:fs';

const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'CC-BY-4.0',
  'ISC',
  'MIT',
  'MIT-0',
  'MPL-2.0',
  'Python-2.0',
  'Unlicense',
]);

const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
const refused = packages.filter(([, { license }]) => !isAllowed(license));

for (const [path, { license }] of refused) {
  console.error(`${path}: ${license ?? 'no licence'} is not allowed (web/build/licences.mjs)`);
}
if (refused.length > 0) process.exit(1);
console.log(`licences of ${packages.length} packages are all allowed`);

/** One of several in a choice is enough. */
function isAllowed(license) {
  if (typeof license !== 'string') return false;
  const choices = license.replace(/[()]/g, '').split(' OR ');
  return choices.some((choice) => choice.split(' AND ').every((part) => ALLOWED.has(part.trim())));
}
