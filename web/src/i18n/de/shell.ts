// Texte der Hülle, der Anmeldung, der Aktualität und der Fehler: was alle Seiten teilen.

import type { Messages } from '../index.svelte';

export const shell: Messages['shell'] = {
  skip: 'Zum Inhalt',
  menu: 'Seiten',
  gatherings: 'Veranstaltungen',
  audit: 'Prüfung',
  admin: 'Verwaltung',
  signOut: 'Abmelden',
  signOutFailed:
    'Sie sind noch nicht abgemeldet. Versuchen Sie es noch einmal, bevor Sie dieses Gerät verlassen.',
  language: 'Sprache',
  theme: 'Darstellung',
  themes: { device: 'Wie das Gerät', light: 'Hell', dark: 'Dunkel' },
  loading: 'Wird geladen …',
  retry: 'Erneut versuchen',
  close: 'Schließen',
  cancel: 'Abbrechen',
  save: 'Speichern',
  copy: 'Kopieren',
  copied: 'Kopiert',
  copyFailed:
    'Kopieren ist hier nicht erlaubt: Markieren Sie den Text und kopieren Sie ihn selbst.',
  optional: 'freiwillig',
  notFound: 'Diese Seite gibt es nicht',
  notFoundHint: 'Die Adresse ist vielleicht falsch geschrieben, oder die Seite ist umgezogen.',
  toDashboard: 'Zu allen Veranstaltungen',
  loadFailed:
    'Diese Seite konnte nicht geladen werden. Der Server wurde vielleicht erneuert oder ist nicht erreichbar.',
  reload: 'Neu laden',
  signIn: {
    title: 'Anmelden',
    lead: 'doorbook zeigt, wer kam, wer ging, wann und durch welche Tür.',
    token: 'Zugangstoken',
    tokenHint:
      'Ein langer Text aus drei Teilen mit Punkten, vom Veranstalter oder von „doorbook token“.',
    button: 'Anmelden',
    byLink: 'Oder einen Anmeldelink öffnen',
    byLinkHint: 'Ein Anmeldelink oder sein QR-Code öffnet diese Seiten direkt. Er gilt einmal.',
    scan: 'QR-Code scannen',
    scanning: 'Halten Sie den QR-Code vor die Kamera.',
    stopScan: 'Kamera ausschalten',
    noCamera:
      'Die Kamera kann nicht benutzt werden. Erlauben Sie sie im Browser, oder fügen Sie das Token ein.',
    noCode: 'Dieser QR-Code ist kein Anmeldelink dieses Servers und kein Token.',
    checking: 'Anmeldung läuft …',
    expired: 'Ihre Anmeldung ist abgelaufen. Melden Sie sich neu an, um fortzufahren.',
    empty: 'Fügen Sie zuerst das Token ein.',
    other: 'Auf einem anderen Gerät anmelden',
    otherHint: 'Scannen Sie dies mit dem anderen Gerät. Es gilt einmal, bis',
    otherLink: 'oder öffnen Sie dort diesen Link',
    signedInAs: (name) => `Angemeldet als ${name}`,
    until: (when) => `bis ${when}`,
  },
  freshness: {
    connecting: 'Verbindung wird aufgebaut …',
    catchingUp: 'Holt auf …',
    loadingPeople: (loaded, all) => `Personen werden geladen: ${loaded} von ${all}`,
    live: 'Live',
    asOf: (time) => `Stand ${time}`,
    reconnecting: 'verbindet neu',
    stopped: 'angehalten',
    moment: (time) => `So war es um ${time}`,
    refused: 'Sie dürfen dies nicht mehr sehen.',
    never: 'Noch nichts empfangen',
  },
  problems: {
    unreachable:
      'Der Server ist nicht erreichbar. Prüfen Sie die Verbindung; es wird weiter versucht.',
    unknown:
      'Auf dem Server ging etwas schief. Versuchen Sie es erneut; die Kennung hilft bei der Suche.',
    requestId: (id) => `Anfrage ${id}`,
    forbidden: 'Sie sind angemeldet, aber das ist Ihrer Rolle nicht erlaubt.',
    not_found: 'Das gibt es nicht, oder Sie dürfen es nicht sehen.',
    link_invalid:
      'Dieser Anmeldelink wurde benutzt oder ist abgelaufen. Bitten Sie um einen neuen.',
    token:
      'Dieses Token gilt hier nicht. Prüfen Sie, ob es ganz eingefügt ist, oder bitten Sie um ein neues.',
    conflict: 'Das wurde inzwischen geändert. Sehen Sie es sich noch einmal an.',
  },
  refusals: {
    unknown_code: 'Unbekanntes Ticket',
    wrong_event: 'Ticket einer anderen Veranstaltung',
    already_checked_in: 'Schon im Haus',
    not_checked_in: 'Nicht im Haus',
    reentry_denied: 'Kein Wiedereintritt',
    cancelled: 'Anmeldung storniert',
    erased: 'Daten gelöscht',
    not_open_yet: 'Noch nicht geöffnet',
    closed: 'Geschlossen',
    capacity_full: 'Voll',
  },
};
