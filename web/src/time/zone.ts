// The clocks of a zone: how far they are ahead of UTC, and moments as a form field holds them and as the API takes
// them. Showing moments is the matter of `time/format`.

const PARTS: Intl.DateTimeFormatOptions = {
  calendar: 'gregory',
  numberingSystem: 'latn',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
};
const LOCAL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$/;

/** `2026-05-01T21:40` of a clock in the zone as RFC 3339 in UTC; null when it is no such text. Of an hour that
 *  comes twice the first is meant; one that is left out is taken as the clock would have gone on. */
export function instantOf(local: string, zone: string): string | null {
  if (!LOCAL.test(local)) return null;
  const asUtc = Date.parse(`${local}Z`);
  if (Number.isNaN(asUtc)) return null;
  // The zone's distance from UTC a day before and a day after: one of them holds at the moment.
  const distances = [asUtc - DAY, asUtc + DAY].map((at) => aheadMs(at, zone));
  const candidates = distances.map((ahead) => asUtc - ahead).sort((one, other) => one - other);
  const exact = candidates.find((at) => at + aheadMs(at, zone) === asUtc);
  return new Date(exact ?? asUtc - (distances[0] ?? 0)).toISOString();
}

/** A moment as a `datetime-local` field wants it, to the second. */
export function localOf(moment: string, zone: string): string {
  const at = Date.parse(moment);
  return Number.isNaN(at)
    ? ''
    : new Date(at + aheadMs(at, zone)).toISOString().slice(0, 'yyyy-mm-ddThh:mm:ss'.length);
}

/** The same without seconds that say nothing. */
export function localTime(moment: string | number, zone: string): string {
  return localOf(new Date(moment).toISOString(), zone).replace(/:00$/, '');
}

/** All zones that this browser knows, UTC among them. */
export function zones(): string[] {
  return [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])];
}

const DAY = 24 * 60 * 60 * 1000;

/** How many ms the clocks of the zone are ahead of UTC at a moment. */
export function aheadMs(at: number, zone: string): number {
  const parts = formatter(zone).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes): number =>
    Number(parts.find((candidate) => candidate.type === type)?.value ?? 0);
  const clock = Date.UTC(
    part('year'),
    part('month') - 1,
    part('day'),
    part('hour'),
    part('minute'),
    part('second'),
  );
  return clock - Math.floor(at / 1000) * 1000;
}

const kept = new Map<string, Intl.DateTimeFormat>();

/** UTC where the browser does not know the zone, as everywhere in these pages. */
function formatter(zone: string): Intl.DateTimeFormat {
  let made = kept.get(zone);
  if (!made) {
    try {
      made = new Intl.DateTimeFormat('en-GB', { ...PARTS, timeZone: zone });
    } catch {
      made = new Intl.DateTimeFormat('en-GB', { ...PARTS, timeZone: 'UTC' });
    }
    kept.set(zone, made);
  }
  return made;
}
