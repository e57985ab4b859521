// Texte von night/.

import type { Messages } from '../index.svelte';

export const night: Messages['night'] = {
  title: 'Der Abend noch einmal',
  of: (name) => `${name}: der Abend noch einmal`,
  goLive: 'Zum Livebild',
  reading: 'Dieser Moment wird gelesen …',
  forbidden: 'Sie dürfen diese Veranstaltung live sehen, aber nicht zurückblicken.',
  forbiddenHint:
    'Zurückblicken dürfen Veranstalter, Aufsicht und Prüfer. Fragen Sie dort, oder bitten Sie den Veranstalter um diese Rolle.',
  failed: 'Dieser Moment konnte nicht gelesen werden; der vorige steht noch da.',
  unread: 'Der Verlauf dieser Veranstaltung konnte nicht gelesen werden.',
  bar: 'Zeit',
  slider: 'Moment',
  offset: 'Offset',
  offsetOf: (last) => `von ${last}`,
  offsetHint:
    'Die Stelle im Log. Sie benennt diesen Moment genau; die Adresse dieser Seite ebenso.',
  valueText: (time, offset) => `${time}, Offset ${offset}`,
  rush: 'Ankünfte des Abends',
  scale: 'Maßstab',
  scales: { time: 'Nach Zeit', events: 'Nach Ereignis' },
  scaleHints: {
    time: 'Der Abend, gleichmäßig nach der Uhr',
    events: 'Jedes Ereignis der Veranstaltung seit dem Anlegen, gleichmäßig nach Offset',
  },
  jump: 'Zu einer Uhrzeit',
  jumpHint: (from, to) => `zwischen ${from} und ${to}`,
  go: 'Los',
  noTime: 'Das ist keine Uhrzeit. Schreiben Sie sie wie 21:40.',
  outside: (from, to) =>
    `Um diese Zeit ist nichts: Die Ereignisse liegen zwischen ${from} und ${to}.`,
  skippedTime: (time) =>
    `Diese Uhrzeit gab es nicht, die Uhren wurden vorgestellt. Das war um ${time}.`,
  oneOfMany: (moment) =>
    `Diese Uhrzeit gibt es mehrmals. Dies ist ${moment}; noch einmal „Los“ führt zur nächsten.`,
  play: 'Abspielen',
  pause: 'Anhalten',
  stepBack: 'Ein Ereignis zurück',
  stepForward: 'Ein Ereignis weiter',
  speed: 'Tempo',
  speeds: { 1: '1×', 10: '10×', 60: '60×' },
  speedNames: { 1: 'so schnell, wie es war', 10: 'zehnmal schneller', 60: 'sechzigmal schneller' },
  skipped: (minutes) =>
    minutes === 1
      ? 'Eine Minute ohne Ereignisse übersprungen'
      : `${minutes} min ohne Ereignisse übersprungen`,
  skippedLong: (hours) => `${hours} h ohne Ereignisse übersprungen`,
  ended: 'Dies ist das neueste Ereignis. Danach kommt noch nichts.',
  lost: 'Der Strom ist zu Ende: Das Log wurde ersetzt, oder Sie dürfen dies nicht mehr sehen. Laden Sie die Seite neu.',
  opening: 'Der Server stellt die Ereignisse dieses Moments bereit …',
  cutOff:
    'Keine Verbindung zum Server. Es geht weiter, wo es war, sobald er wieder erreichbar ist.',
  keys: 'Pfeiltasten: ein Ereignis. Bildtasten: zehn Minuten. Pos1 und Ende: die Enden.',
  difference: 'Was anders war als jetzt',
  then: 'Damals',
  now: 'Jetzt',
  change: 'Unterschied',
  counts: { inside: 'Im Haus', checked_in: 'Eingecheckt', registered: 'Angemeldet' },
  came: 'Jetzt im Haus, damals nicht',
  gone: 'Damals im Haus, jetzt nicht',
  cameAt: (time) => `kam um ${time}`,
  goneAt: (time) => `ging um ${time}`,
  goneOtherwise: 'gilt nicht mehr als im Haus',
  noneCame: 'Niemand, der damals draußen war, ist jetzt im Haus.',
  noneGone: 'Alle, die damals im Haus waren, sind es noch.',
  noneFound: 'Hier passt niemand zur Suche.',
  search: 'In beiden Listen suchen',
  erased: 'Daten gelöscht',
  comparing: 'Personen werden gelesen …',
};
