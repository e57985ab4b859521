// The reporter of the budgets: a table on the terminal, the same as JSON beside the results, and an exit code that
// says whether everything was met. A quick run is not judged; a figure that could not be taken always fails.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { FullResult, Reporter, TestCase, TestResult } from '@playwright/test/reporter';

import { BINARY, OUT } from '../harness/surroundings.ts';
import { FIGURE, met, QUICK, type Figure } from './figures.ts';

class Table implements Reporter {
  readonly #figures: Figure[] = [];
  #broken = false;

  onTestBegin(test: TestCase): void {
    process.stderr.write(`measuring: ${test.title}\n`);
  }

  onTestEnd(test: TestCase, result: TestResult): void {
    for (const { type, description } of result.annotations) {
      if (type === FIGURE && description !== undefined)
        this.#figures.push(JSON.parse(description) as Figure);
    }
    if (result.status === 'passed') return;
    this.#broken = true;
    process.stderr.write(
      `could not be measured: ${test.title}\n${result.errors.map(({ message }) => message).join('\n')}\n`,
    );
  }

  onError(error: { message?: string }): void {
    this.#broken = true;
    process.stderr.write(`${error.message ?? 'unknown error'}\n`);
  }

  onEnd(): Promise<{ status: FullResult['status'] }> {
    const build = BINARY.includes('/release/') ? 'release' : 'debug';
    const rows = this.#figures.map((one) => [
      one.what,
      amount(one.figure, one),
      `≤ ${amount(one.reach_max, one)}`,
      verdict(one),
      one.note,
    ]);
    process.stdout.write(table([['what', 'figure', 'reach', '', 'how'], ...rows]));
    mkdirSync(OUT, { recursive: true });
    const at = new Date().toISOString();
    writeFileSync(
      join(OUT, 'budgets.json'),
      `${JSON.stringify({ at, build, quick: QUICK, figures: this.#figures }, null, 2)}\n`,
    );
    const missed = !QUICK && !this.#figures.every(met);
    return Promise.resolve({ status: this.#broken || missed ? 'failed' : 'passed' });
  }
}

function verdict(figure: Figure): string {
  if (QUICK) return 'not judged';
  return met(figure) ? 'met' : 'MISSED';
}

const amount = (value: number, { unit }: Figure): string =>
  `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}`;

/** As Markdown, so that it can be pasted where figures are kept. */
function table(rows: readonly (readonly string[])[]): string {
  const [head, ...rest] = rows.map((row) => `| ${row.join(' | ')} |\n`);
  return `${head ?? ''}|${'---|'.repeat(rows[0]?.length ?? 0)}\n${rest.join('')}`;
}

export default Table;
