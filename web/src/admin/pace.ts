// How far a rebuild is and how fast, in words.

import type { components } from '../api/schema';
import { i18n } from '../i18n/index.svelte';
import { duration, number } from '../time/format';

export type RebuildProgress = components['schemas']['RebuildProgress'];
export type What = 'rebuild' | 'dryRun' | 'diff';

/** What a rebuild was asked to do. */
export function whatOf(progress: Pick<RebuildProgress, 'dry_run' | 'diff'>): What {
  if (progress.diff) return 'diff';
  return progress.dry_run ? 'dryRun' : 'rebuild';
}

/** “12,000 of 20,000 events · 45,000 a second · 12 seconds left”. */
export function paceWords(
  progress: Pick<RebuildProgress, 'processed' | 'total' | 'events_per_second' | 'eta_seconds'>,
): string {
  const t = i18n.t.admin.projections;
  const words = [t.processed(number(progress.processed), number(progress.total))];
  // Nothing is known about the speed before the first events.
  if (progress.events_per_second > 0) words.push(t.perSecond(number(progress.events_per_second)));
  if (typeof progress.eta_seconds === 'number') words.push(leftWords(progress.eta_seconds));
  return words.join(' · ');
}

function leftWords(seconds: number): string {
  const t = i18n.t.admin.projections;
  if (seconds < 1) return t.momentLeft;
  return t.left(seconds < 60 ? t.seconds(seconds) : duration(seconds));
}
