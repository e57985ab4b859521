// Texte von dashboard/.

import type { Messages } from '../index.svelte';

export const dashboard: Messages['dashboard'] = {
  title: 'Veranstaltungen',
  inside: 'Im Haus',
  checkedIn: 'Eingecheckt',
  registered: 'Angemeldet',
  capacity: 'Kapazität',
  noCapacity: 'ohne Grenze',
  perMinute: 'Ankünfte pro Minute',
  perMinuteHint: 'Mittel der letzten fünf Minuten',
  lastHalfHour: 'Ankünfte der letzten halben Stunde',
  free: (free, text) => (free === 1 ? 'ein Platz frei' : `${text} Plätze frei`),
  full: 'Voll',
  over: (text) => `${text} über der Kapazität`,
  nearly: 'Fast voll',
  empty: 'Noch keine Veranstaltungen',
  emptyHint:
    'Eine Veranstaltung erscheint hier, wenn Sie sie angelegt haben oder zu ihrem Team gehören. Bitten Sie den Veranstalter, Sie aufzunehmen.',
  emptyCreator: 'Legen Sie die erste mit „Neue Veranstaltung“ an.',
  none: 'Keine Veranstaltung passt zu dieser Suche.',
  search: 'Veranstaltungen suchen',
  all: 'Alle zusammen',
  create: 'Neue Veranstaltung',
  name: 'Name',
  starts: 'Beginn',
  zone: 'Zeitzone',
  capacityLabel: 'Kapazität (leer: ohne Grenze)',
  whenFull: 'Wenn es voll ist',
  warn: 'warnen, aber einlassen',
  refuse: 'abweisen',
  startsAt: (when) => `Beginn ${when}`,
  truncated: (count) => `Nur die ersten ${count} Veranstaltungen werden gezeigt.`,
};
