// Where every projection is and what its rebuilds do, read again while the page can be seen: calmly, and
// quickly while something is being rebuilt.

import { api } from '../api/client';
import type { components } from '../api/schema';
import { ask, type Problem } from '../api/problem';
import type { RebuildProgress, What } from './pace';
import { whileVisible } from './visible';

export type ProjectionStatus = components['schemas']['ProjectionStatus'];

/** The name under which all are rebuilt together. */
export const ALL = 'all';
const CALM_MS = 2_000;
const BUSY_MS = 400;

export class ProjectionsWatch {
  #rows = $state.raw<ProjectionStatus[]>([]);
  #rebuilds = $state.raw<Record<string, RebuildProgress>>({});
  #problem = $state.raw<Problem | null>(null);
  #readAt = $state<number | null>(null);
  /** Rebuilds whose end has not been read yet. */
  #underWay = new Set<string>();
  #hasAsked = false;
  #stop: () => void;

  constructor() {
    const pause = () => (this.#underWay.size > 0 ? BUSY_MS : CALM_MS);
    this.#stop = whileVisible(() => this.read(), pause);
  }

  close(): void {
    this.#stop();
  }

  get rows(): ProjectionStatus[] {
    return this.#rows;
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  /** When the rows were read, ms since 1970; null before they were. */
  get readAt(): number | null {
    return this.#readAt;
  }

  get hasBegun(): boolean {
    return this.#readAt !== null;
  }

  /** The last rebuild of a projection that is worth showing. */
  rebuild(name: string): RebuildProgress | null {
    return this.#rebuilds[name] ?? null;
  }

  /** Whether one is under way: of this projection alone, or of all. */
  isBusy(name: string): boolean {
    const isRunning = (one: string) => this.#rebuilds[one]?.state === 'running';
    if (name === ALL) return Object.keys(this.#rebuilds).some(isRunning);
    return isRunning(name) || isRunning(ALL);
  }

  start(name: string, what: What, key: string) {
    const body = { dry_run: what === 'dryRun', diff: what === 'diff' };
    const params = { path: { name }, header: { 'Idempotency-Key': key } };
    return api.POST('/api/admin/projections/{name}/rebuild', { params, body });
  }

  cancel(name: string, key: string) {
    const params = { path: { name }, header: { 'Idempotency-Key': key } };
    return api.DELETE('/api/admin/projections/{name}/rebuild', { params });
  }

  rollBack(name: string, key: string) {
    const params = { path: { name }, header: { 'Idempotency-Key': key } };
    return api.POST('/api/admin/projections/{name}/rollback', { params });
  }

  /** Follows a rebuild from here on. */
  follow(name: string, progress: RebuildProgress): void {
    this.#take(name, progress);
    void this.read();
  }

  /** Shows a rebuild no longer. */
  hide(name: string): void {
    const { [name]: _, ...others } = this.#rebuilds;
    this.#rebuilds = others;
  }

  async read(): Promise<void> {
    if (!this.#hasAsked) await this.#askWhatRuns();
    await Promise.all([...this.#underWay].map((name) => this.#readRebuild(name)));
    // After the rebuilds: what they say is done is then in the rows.
    const { data, problem } = await ask(api.GET('/api/admin/projections'));
    this.#problem = problem ?? null;
    if (!data) return;
    this.#rows = data.results;
    this.#readAt = Date.now();
  }

  /** A rebuild may have begun elsewhere, or before the page was loaded. */
  async #askWhatRuns(): Promise<void> {
    const { data, problem } = await ask(
      api.GET('/api/admin/projections/{name}/rebuild', { params: { path: { name: ALL } } }),
    );
    // 409: there has been none since the server started.
    this.#hasAsked = data !== undefined || problem?.status === 409;
    if (data?.state !== 'running') return;
    const views = data.views ?? [];
    const running = views.filter((view) => view.state === 'running');
    // Of some it is told by name; of a single one, the answer does not say which.
    if (running.length < views.length) running.forEach((view) => this.#underWay.add(view.name));
    else this.#take(ALL, data);
  }

  async #readRebuild(name: string): Promise<void> {
    const { data, problem } = await ask(
      api.GET('/api/admin/projections/{name}/rebuild', { params: { path: { name } } }),
    );
    if (data) this.#take(name, data);
    else if (problem.status === 409) this.#forget(name);
  }

  /** The server has started anew, and knows of none. */
  #forget(name: string): void {
    this.hide(name);
    this.#underWay.delete(name);
  }

  #take(name: string, progress: RebuildProgress): void {
    this.#rebuilds = { ...this.#rebuilds, [name]: progress };
    if (progress.state === 'running') this.#underWay.add(name);
    else this.#underWay.delete(name);
  }
}
