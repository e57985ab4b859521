// Texte von audit/.

import type { Messages } from '../index.svelte';

export const audit: Messages['audit'] = {
  title: 'Prüfpult',
  ofAll: 'Alle Veranstaltungen',
  toLive: 'Live',
  toNight: 'Der Abend noch einmal',
  views: { history: 'Verlauf', asOf: 'Zeitpunkt', export: 'Export', proofs: 'Beweise' },
  viewsLabel: 'Teile des Prüfpults',
  zoneHint: (zone) => `Zeiten in ${zone}; UTC steht in jedem Eintrag.`,
  zonesHint: 'Zeiten in der Zone der jeweiligen Veranstaltung; UTC steht in jedem Eintrag.',
  recordedHint:
    'Was Prüfende lesen und wer auch immer exportiert, wird selbst im Verlauf festgehalten.',
  notForYou:
    'Der Verlauf ist für Veranstalter, Aufsicht, Prüfende und Superuser. Fragen Sie dort nach, oder melden Sie sich mit einer anderen Rolle an.',
  notAll:
    'Der Verlauf aller Veranstaltungen ist für Superuser und Prüfende. Den einer Veranstaltung erreichen Sie über ihre Seite.',
  gatheringsLabel: 'Eine Veranstaltung allein',
  chooseGathering: 'Zum Prüfpult von …',
  yes: 'ja',
  no: 'nein',
  none: '–',

  types: {
    gathering_created: 'Veranstaltung angelegt',
    gathering_changed: 'Veranstaltung geändert',
    service_team_changed: 'Team geändert',
    participant_registered: 'Angemeldet',
    participant_checked_in: 'Eingelassen',
    participant_checked_out: 'Hinausgegangen',
    scan_refused: 'Abgewiesen',
    scan_undone: 'Zurückgenommen',
    registration_cancelled: 'Anmeldung storniert',
    participant_erased: 'Person gelöscht',
    door_token_minted: 'Türzugang erstellt',
    door_token_revoked: 'Türzugang gesperrt',
    personal_data_accessed: 'Personendaten gelesen',
  },
  roles: {
    superuser: 'Superuser',
    creator: 'Veranstalter',
    supervisor: 'Aufsicht',
    steward: 'Einlass',
    user: 'Gast',
    operator: 'Kommandozeile',
    auditor: 'Prüfung',
  },
  accessed: {
    participants: 'Liste der Personen',
    participant: 'eine Person',
    history: 'Verlauf',
    live_stream: 'Live-Strom',
    person_export: 'alles, was über eine Person da ist',
    history_export: 'Export des Verlaufs',
    log: 'das ganze Protokoll',
  },
  modes: { online: 'online', offline_fact: 'offline, später gemeldet' },
  outcomes: { admitted: 'eingelassen', exited: 'hinausgegangen', refused: 'abgewiesen' },
  statuses: { registered: 'angemeldet', cancelled: 'storniert', erased: 'gelöscht' },

  filters: {
    label: 'Verlauf filtern',
    title: 'Filter',
    participant: 'Ticket',
    participantHint: 'Code oder Teilnehmer-ID',
    gate: 'Eingang',
    type: 'Was geschah',
    anyType: 'alles',
    actor: 'Durch wen',
    actorHint: 'Benutzer-ID, genau',
    since: 'Festgehalten ab',
    until: 'Festgehalten vor',
    order: 'Reihenfolge',
    newest: 'neueste zuerst',
    oldest: 'älteste zuerst',
    show: 'Anzeigen',
    clear: 'Alle Filter entfernen',
    active: (count) => (count === 1 ? '1 Filter' : `${count} Filter`),
    unknownCode: (code) =>
      `Ein Ticket mit dem Code „${code}“ ist hier nicht bekannt. Darunter steht, was der Verlauf zu diesem Code hat.`,
  },

  history: {
    caption: 'Einträge des Verlaufs',
    offset: 'Nr.',
    when: 'Wann',
    what: 'Was',
    ticket: 'Ticket',
    gate: 'Eingang',
    by: 'Durch',
    gathering: 'Veranstaltung',
    open: (offset) => `Eintrag ${offset}: alles zeigen`,
    undone: (offset) => `zurückgenommen durch ${offset}`,
    undoes: (offset) => `nimmt ${offset} zurück`,
    offline: 'offline',
    late: (duration) => `${duration} später festgehalten`,
    broken: (rule) => `obwohl: ${rule}`,
    house: 'das Protokoll selbst',
    empty: 'Im Verlauf passt nichts zu diesen Filtern.',
    emptyHint: 'Den Zeitraum weiter fassen oder einen Filter entfernen.',
    emptyAll: 'Es ist noch nichts geschehen.',
    loading: 'Der Verlauf wird gelesen …',
    range: (first, last, count) => `${count} Einträge, Nr. ${first} bis ${last}`,
    one: (offset) => `1 Eintrag, Nr. ${offset}`,
    isAll: 'das ist alles',
    first: 'Anfang',
    previous: 'Zurück',
    next: 'Weiter',
    again: 'Neu lesen',
    paging: 'Seiten des Verlaufs',
  },

  entry: {
    title: (offset) => `Eintrag ${offset}`,
    missing: 'Einen Eintrag mit dieser Nummer, den Sie hier sehen dürfen, gibt es nicht.',
    story: 'Alles zu diesem Ticket',
    moment: 'Stand in diesem Moment',
    night: 'Der Abend noch einmal ab hier',
    notRecorded: 'Nicht festgehalten, weil es nicht zutrifft oder nicht angegeben wurde:',
    utc: 'UTC',
    fields: {
      offset: 'Nummer im Protokoll (Offset)',
      event_id: 'Veranstaltung',
      participant_id: 'Teilnehmer-ID',
      event_pax_id: 'Ticketcode',
      type: 'Was geschah',
      outcome: 'Ergebnis',
      code: 'Regel',
      occurred_at: 'An der Tür',
      recorded_at: 'Festgehalten',
      actor: 'Durch',
      actor_name: 'Name',
      actor_role: 'In der Rolle',
      gate: 'Eingang',
      device: 'Gerät',
      device_seq: 'Scan-Nummer des Geräts',
      scan_id: 'Scan-ID',
      mode: 'Modus',
      reason: 'Grund',
      undone_by: 'Zurückgenommen durch',
      undoes: 'Nimmt zurück',
      team_member: 'Teammitglied',
      door_token: 'Türzugang',
      accessed: 'Was gelesen wurde',
    },
    removed: 'aus dem Team genommen',
    until: (when) => `bis ${when}`,
  },

  story: {
    title: (code) => `Alles zu ${code}`,
    lead: 'Von der Anmeldung bis heute, mit Abweisungen und allem, was zurückgenommen wurde.',
    leave: 'Zurück zum ganzen Verlauf',
    inside: 'jetzt drinnen',
    outside: 'nicht drinnen',
    entries: (count) => (count === 1 ? 'kam einmal herein' : `kam ${count}-mal herein`),
    erased: 'Die Daten dieser Person sind gelöscht. Was geschah, bleibt stehen; wer es war, nicht.',
    cancelled: 'Die Anmeldung ist storniert.',
    refusals: (count) => (count === 1 ? 'einmal abgewiesen' : `${count}-mal abgewiesen`),
    undone: (count) => (count === 1 ? 'ein Scan zurückgenommen' : `${count} Scans zurückgenommen`),
    thenTitle: 'Stand zu einem Zeitpunkt',
  },

  asOf: {
    lead: 'Welche Zahlen galten und wo eine Person war, unmittelbar nach einem Moment. Die Antwort wird aus dem Protokoll gebildet, mit demselben Programm, das sie damals gab.',
    time: 'Zeit',
    timeHint: (zone) => `Uhr in ${zone}`,
    offset: 'oder Nummer eines Eintrags (Offset)',
    code: 'Ticketcode, um eine Person damals zu sehen',
    show: 'Anzeigen',
    then: 'Damals',
    now: 'Jetzt',
    difference: 'Änderung',
    number: 'Zahl',
    registered: 'Angemeldet',
    checkedIn: 'Mindestens einmal da',
    inside: 'Drinnen',
    capacity: 'Kapazität',
    unlimited: 'keine Grenze',
    lastFact: 'Letzter Eintrag bis dahin',
    night: 'Die ganze Seite dieses Moments sehen',
    needMoment: 'Eine Zeit oder die Nummer eines Eintrags angeben.',
    badOffset: 'Die Nummer eines Eintrags ist eine ganze Zahl ab 1.',
    notYet: 'Diese Veranstaltung gab es in dem Moment noch nicht.',
    person: 'Diese Person',
    status: 'Stand',
    isInside: 'Drinnen',
    cameIn: 'Kam zuletzt herein',
    wentOut: 'Ging zuletzt hinaus',
    lastGate: 'Letzter Eingang',
    timesIn: 'Wie oft herein',
    personNotYet:
      'Dieses Ticket war in dem Moment noch nicht angemeldet, oder der Code ist falsch.',
    erased: 'Seither gelöscht: auch damals ohne Namen.',
    allHint:
      'Ein Moment gehört zu einer Veranstaltung. Wählen Sie sie oben; auch jeder Eintrag des Verlaufs führt zu seinem Moment.',
    shown: (moment) => `Stand um ${moment}`,
    shownOffset: (offset) => `Stand unmittelbar nach Eintrag ${offset}`,
  },

  export: {
    lead: 'Eine Datei des Verlaufs, mit den Filtern, die unter „Verlauf“ gesetzt sind.',
    filters: 'Filter',
    noFilters: 'keine: alles',
    change: 'Filter ändern',
    format: 'Datei',
    formats: {
      csv: 'CSV',
      xlsx: 'Excel (XLSX)',
      ndjson: 'NDJSON',
    },
    formatHints: {
      csv: 'für Tabellen und Skripte; was wie eine Formel aussieht, ist unschädlich gemacht',
      xlsx: 'öffnet sich so in Tabellenprogrammen; das letzte Blatt ist der Checkpoint',
      ndjson: 'ein Eintrag je Zeile, für Programme; Zeiten in UTC',
    },
    columns: 'Spalten',
    usual: 'Alle außer Namen und E-Mail',
    everything: 'Alle, mit Namen und E-Mail',
    chosen: 'Auswählen',
    people: 'nennt Personen',
    zone: 'Zeiten in',
    bom: 'Byte Order Mark',
    bomHint: 'hilft älteren Excel-Versionen bei Buchstaben wie ü',
    trailer: 'Checkpoint am Ende',
    trailerHint: 'Zeilen, die mit # beginnen; an ihnen erkennt man eine abgebrochene Datei',
    download: 'Herunterladen',
    rowsExactly: (count) => `${count} Zeilen, nach dem letzten Lesen des Verlaufs hier.`,
    rowsAtMost: (count) => `Höchstens ${count} Zeilen; wie viele passen, zeigt sich am Ende.`,
    streamed:
      'Die Datei wird gesendet, während sie gelesen wird; der Browser kann deshalb nicht zeigen, wie viel noch fehlt. Vollständig ist sie, wenn am Ende ihr Checkpoint steht.',
    failed:
      'Meldet der Browser, dass der Download fehlschlug, laufen vielleicht schon vier Exporte: in einer Minute noch einmal versuchen.',
    isRecorded: 'Dass Sie diese Datei geholt haben, wird im Verlauf festgehalten.',
    noColumns: 'Mindestens eine Spalte auswählen.',
  },

  proofs: {
    whatTitle: 'Was das beweist und was nicht',
    what: 'Jeder Eintrag ist ein Blatt eines Hashbaums, und ein Checkpoint ist die unterschriebene Wurzel dieses Baums. Ein Beweis zeigt, allein mit Rechnen in diesem Browser, dass ein Eintrag mit genau diesem Inhalt an dieser Stelle des Protokolls steht, für das der Checkpoint steht; und dass ein späteres Protokoll mit allem beginnt, was ein früheres enthielt. Er zeigt nicht, dass der Eintrag wahr ist, nur dass er festgehalten und seither nicht geändert wurde. Namen und Gründe sind im Datensatz versiegelt und werden nicht verglichen. Wer den Server betreibt, hat den Schlüssel zum Unterschreiben: Er könnte einen anderen Verlauf schreiben und unterschreiben, aber keinen, der zu einem Checkpoint passt, den Sie aufbewahren. Bewahren Sie Checkpoints und Schlüssel also dort auf, wo der Betreiber nicht hinkommt.',
    downloads: 'Zum Aufbewahren herunterladen',
    checkpoint: 'Checkpoint von jetzt',
    checkpointHint:
      'Die unterschriebene Wurzel des ganzen Protokolls. Nach jeder Veranstaltung einen aufbewahren, außer Haus.',
    key: 'Prüfschlüssel',
    keyHint: 'Prüft die Unterschriften. Den vom ersten Tag aufbewahren; er ändert sich nie.',
    proof: 'Beweis eines Eintrags',
    proofHint: 'Eine .tlog-proof-Datei: der Datensatz, seine Stelle und der Checkpoint.',
    consistency: 'Konsistenzbeweis',
    consistencyHint: 'Zwischen einem Checkpoint dieser Größe und dem Protokoll von jetzt.',
    offset: 'Nummer des Eintrags',
    size: 'Größe des früheren Checkpoints',
    download: 'Herunterladen',
    downloadProof: 'Beweis herunterladen',
    onlyAuditors: 'Checkpoints und Konsistenzbeweise sind für Superuser und Prüfende.',
    keptKey: 'Der Schlüssel, mit dem geprüft wird',
    keptKeyLead:
      'Ein Schlüssel, der vom selben Server kommt wie der Beweis, zeigt wenig. Wählen Sie den, den Sie aufbewahrt haben, oder vergleichen Sie seine Nummer mit der, die Sie sich notiert haben.',
    keptKeyServer: 'der des Servers, eben geholt',
    keptKeyYours: 'der, den Sie angegeben haben',
    keptKeyGive: 'Aufbewahrten Schlüssel angeben',
    keptKeyForget: 'Den Schlüssel des Servers nehmen',
    keyNumber: 'Schlüsselnummer',
    verifyTitle: 'Einen Eintrag prüfen',
    verifyLead: 'Holt den Beweis eines Eintrags und prüft ihn hier.',
    verifyHere: 'In diesem Browser prüfen',
    verifyAgain: 'Noch einmal prüfen',
    checking: 'Wird geprüft …',
    filesTitle: 'Dateien prüfen, ohne Server',
    filesLead:
      'Eine .tlog-proof-Datei, den Prüfschlüssel und, wenn vorhanden, aufbewahrte Checkpoints und einen Konsistenzbeweis hier ablegen. Sie verlassen diesen Browser nicht.',
    filesDrop: 'Dateien hier ablegen',
    filesChoose: 'Dateien auswählen',
    filesClear: 'Alle entfernen',
    filesRemove: (name) => `${name} entfernen`,
    filesNeedKey: 'Den Prüfschlüssel hinzufügen oder mit dem obigen prüfen.',
    filesNeedMore: 'Einen Beweis oder einen Checkpoint hinzufügen.',
    filesServerKey: 'Mit dem obigen Schlüssel prüfen',
    filesUnknown: (name) =>
      `„${name}“ ist weder Beweis noch Checkpoint, Konsistenzbeweis oder Prüfschlüssel, oder wurde verändert.`,
    filesTooLarge: (name) => `„${name}“ ist größer als jeder Beweis.`,
    kinds: {
      proof: 'Beweis eines Eintrags',
      key: 'Prüfschlüssel',
      checkpoint: 'Checkpoint',
      consistency: 'Konsistenzbeweis',
    },
    growthTitle: 'Ist das Protokoll seit meinem Checkpoint nur gewachsen?',
    growthLead:
      'Geben Sie einen Checkpoint an, den Sie aufbewahrt haben. Das Protokoll von jetzt muss genau mit dem beginnen, wofür jener steht.',
    growthPaste: 'Ihr Checkpoint',
    growthChoose: 'Seine Datei auswählen',
    growthCheck: 'Gegen das Protokoll von jetzt prüfen',
    growthEmpty: 'Einen Checkpoint einfügen oder seine Datei auswählen.',
    entryResult: 'Der Eintrag',
    growthResult: 'Das Protokoll zwischen zwei Checkpoints',
    checkpointResult: 'Der Checkpoint',
  },

  verdict: {
    states: { good: 'richtig', bad: 'falsch', skipped: 'nicht geprüft' },
    goodEntry: (offset, size) =>
      `Bewiesen: Eintrag ${offset} steht so im Protokoll, wie er hier steht. Der Schlüssel des Protokolls hat es unterschrieben, als es ${size} Einträge enthielt.`,
    goodGrowth: (from, to) =>
      `Bewiesen: Das Protokoll mit ${to} Einträgen beginnt mit den ${from} Einträgen des früheren Checkpoints, unverändert.`,
    goodCheckpoint: (size) =>
      `Der Checkpoint über ${size} Einträge ist mit diesem Schlüssel unterschrieben.`,
    bad: 'Nicht bewiesen.',
    badEntry: 'Der Datensatz ist bewiesen, aber was hier gezeigt wird, ist nicht, was er sagt.',
    open: 'Falsch ist nichts, aber nicht alles konnte geprüft werden.',
    means: 'Was es bedeutet',
    todo: 'Was zu tun ist',
    recordTitle: 'Was der Datensatz sagt',
    steps: {
      browser: 'Dieser Browser kann Unterschriften und Hashes prüfen',
      key: 'Der Prüfschlüssel ist unversehrt',
      proof: 'Der Beweis ist lesbar',
      signature: 'Der Checkpoint ist mit diesem Schlüssel unterschrieben',
      record: 'Der Datensatz sagt, dass er an diese Stelle gehört',
      path: 'Der Hash des Datensatzes führt zur unterschriebenen Wurzel',
      entry: 'Der gezeigte Eintrag ist, was der Datensatz sagt',
      earlier: 'Der frühere Checkpoint ist mit diesem Schlüssel unterschrieben',
      consistency_proof: 'Der Konsistenzbeweis ist lesbar',
      later: 'Der spätere Checkpoint ist mit diesem Schlüssel unterschrieben',
      growth: 'Das spätere Protokoll beginnt mit dem früheren',
    },
    facts: {
      log: 'Protokoll',
      key_id: 'Schlüsselnummer',
      offset: 'Eintrag',
      size: 'Einträge, für die er steht',
      hashes: 'Hashes im Beweis',
      leaf: 'Hash des Datensatzes',
      computed_root: 'hier berechnete Wurzel',
      signed_root: 'unterschriebene Wurzel',
      computed_earlier_root: 'hier berechnete frühere Wurzel',
      earlier_root: 'unterschriebene frühere Wurzel',
      difference: 'gezeigt ≠ festgehalten',
    },
  },

  reasons: {
    no_web_crypto: {
      means:
        'Diese Seite kam über einfaches http von einem anderen Rechner. Browser erlauben dort keine Kryptografie.',
      todo: 'Die Seite mit https öffnen. Oder die Dateien herunterladen und mit „doorbook verify-proof“ prüfen.',
    },
    no_ed25519: {
      means: 'Dieser Browser kann Ed25519-Unterschriften nicht prüfen.',
      todo: 'Einen neueren nehmen: Chrome oder Edge ab 137, Firefox ab 129, Safari ab 17. Oder die Dateien mit „doorbook verify-proof“ prüfen.',
    },
    not_a_key: {
      means:
        'Das ist kein Prüfschlüssel. Einer sieht so aus, auf einer Zeile: NAME+1a2b3c4d+BASE64.',
      todo: 'Die Datei „Prüfschlüssel“ so nehmen, wie sie heruntergeladen wurde.',
    },
    key_id_differs: {
      means:
        'Die Nummer des Schlüssels passt nicht zu Name und Inhalt: Ein Teil wurde verändert oder falsch abgeschrieben.',
      todo: 'Den Schlüssel so nehmen, wie er heruntergeladen wurde, und ganz kopieren.',
    },
    not_a_note: {
      means:
        'Der Checkpoint hat nicht die Form einer unterschriebenen Notiz. Ein Editor oder ein Mailprogramm hat vielleicht Zeilenenden oder Leerzeichen verändert; so lässt sich keine Unterschrift prüfen.',
      todo: 'Die Datei so nehmen, wie sie heruntergeladen wurde, bis zum letzten Zeilenumbruch.',
    },
    not_a_checkpoint: {
      means:
        'Es ist eine unterschriebene Notiz, aber keine über ein Protokoll: Name, Größe und Wurzel stehen nicht, wo sie sollten.',
      todo: 'Nachsehen, ob es die richtige Datei ist.',
    },
    not_signed_by_key: {
      means:
        'Ein anderer Schlüssel hat das unterschrieben. Entweder gehört der Schlüssel zu einem anderen Protokoll, oder diese Datei stammt nicht aus diesem.',
      todo: 'Den Namen des Schlüssels mit der ersten Zeile des Checkpoints vergleichen. Haben Sie den Schlüssel seit dem ersten Tag, dann fragen Sie, warum das Protokoll jetzt mit einem anderen unterschreibt.',
    },
    other_log: {
      means:
        'Der Schlüssel hat unterschrieben, aber der Checkpoint nennt ein anderes Protokoll als der Schlüssel.',
      todo: 'Nicht darauf verlassen. Den Betreiber fragen, woher er stammt.',
    },
    bad_signature: {
      means:
        'Die Unterschrift stimmt nicht: Der Checkpoint wurde nach dem Unterschreiben verändert, oder die Unterschrift selbst.',
      todo: 'Die Datei neu holen. Stimmt die neue, war die Kopie beschädigt oder gefälscht; wenn nicht, beide Dateien aufbewahren und den Betreiber fragen.',
    },
    not_a_proof: {
      means: 'Das ist keine .tlog-proof-Datei, oder ein Teil fehlt oder wurde verändert.',
      todo: 'Die Datei so nehmen, wie sie heruntergeladen wurde.',
    },
    no_record: {
      means: 'Der Beweis enthält keinen Datensatz; es gibt nichts, was er beweisen könnte.',
      todo: 'Den Beweis noch einmal herunterladen.',
    },
    index_outside: {
      means: 'Der Beweis spricht von einem Eintrag, bis zu dem der Checkpoint nicht reicht.',
      todo: 'Den Beweis mit dem Checkpoint verwenden, mit dem er kam.',
    },
    path_too_short: {
      means:
        'Zwischen Datensatz und Wurzel fehlen Hashes: Der Beweis wurde gekürzt oder gehört zu einer anderen Größe des Protokolls.',
      todo: 'Den Beweis noch einmal herunterladen.',
    },
    path_too_long: {
      means:
        'Es sind mehr Hashes, als zwischen diesem Datensatz und der Wurzel liegen: Der Beweis wurde verlängert oder gehört zu einer anderen Größe des Protokolls.',
      todo: 'Den Beweis noch einmal herunterladen.',
    },
    root_differs: {
      means:
        'Der Hash des Datensatzes führt nicht zur unterschriebenen Wurzel. Der Inhalt, seine Stelle oder ein Hash des Beweises ist nicht das, was das Protokoll enthält.',
      todo: 'Einen neuen Beweis desselben Eintrags holen. Scheitert auch er, zeigt der Server einen Verlauf, den er nicht unterschrieben hat: Dateien und Checkpoint aufbewahren und um „doorbook verify“ auf dem Server bitten.',
    },
    record_unreadable: {
      means:
        'Diese Bytes sind kein Datensatz, den diese Seite lesen kann: Sie wurden verändert, oder ein neueres doorbook hat sie geschrieben.',
      todo: 'Die Seite neu laden, damit sie so neu ist wie der Server. Bleibt es dabei, die Datei mit „doorbook verify-proof“ prüfen.',
    },
    record_elsewhere: {
      means:
        'Der Datensatz sagt, dass er an eine andere Stelle des Protokolls gehört: Die Nummer wurde verändert, oder der Datensatz eines anderen Eintrags wurde hierher gesetzt.',
      todo: 'Sich nicht auf diese Datei verlassen. Den Beweis des Eintrags herunterladen, um den es geht.',
    },
    entry_differs: {
      means:
        'Der Datensatz steht im Protokoll, aber der Server zeigt diesen Eintrag anders, als er festgehalten wurde.',
      todo: 'Dem Datensatz glauben. Der Betreiber sollte „doorbook verify“ ausführen und die Sicht „history“ neu aufbauen.',
    },
    not_a_consistency_proof: {
      means: 'Was die beiden Checkpoints verbindet, fehlt oder ist kein Konsistenzbeweis.',
      todo: 'Den Konsistenzbeweis ab der Größe des früheren Checkpoints herunterladen und hinzufügen.',
    },
    other_checkpoint: {
      means:
        'Der Konsistenzbeweis handelt von anderen Checkpoints als diesen beiden: Größen oder Wurzeln sind verschieden.',
      todo: 'Ihn für die Größe Ihres Checkpoints herunterladen. Ist die Größe gleich und die Wurzel nicht, hatte das Protokoll damals einen anderen Inhalt: alles aufbewahren und nachfragen.',
    },
    log_shrank: {
      means:
        'Das Protokoll enthält weniger Einträge, als wofür Ihr Checkpoint steht. Einträge, die da waren, sind weg.',
      todo: 'Den Checkpoint aufbewahren. Fragen, ob eine ältere Sicherung zurückgespielt wurde; kann das niemand erklären, wurde der Verlauf gekürzt.',
    },
    same_size_other_root: {
      means:
        'Zwei Checkpoints derselben Größe haben verschiedene Wurzeln, beide mit diesem Schlüssel unterschrieben: Es gibt zwei Verläufe.',
      todo: 'Beide Dateien aufbewahren: Sie sind das Beweismittel. Den Betreiber fragen; eine ältere Sicherung, die zurückgespielt und fortgeschrieben wurde, sähe so aus.',
    },
    consistency_path_wrong: {
      means: 'Der Konsistenzbeweis hat zu viele oder zu wenige Hashes für diese Größen.',
      todo: 'Ihn noch einmal herunterladen.',
    },
    history_rewritten: {
      means:
        'Das Protokoll von jetzt beginnt nicht mit dem, wofür Ihr Checkpoint steht. In der Vergangenheit wurde etwas geändert, entfernt oder eingefügt; oder der Beweis selbst wurde verändert.',
      todo: 'Einen neuen Konsistenzbeweis herunterladen. Scheitert auch er, bewahren Sie Ihren Checkpoint, den neuen und den Beweis auf: Sie belegen, dass der Verlauf umgeschrieben wurde.',
    },
  },
};
