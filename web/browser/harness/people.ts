// Invented guests, the same for the same number on every run. Nobody here exists; every address is at example.org.
// Some have names that a page must survive.

export interface Person {
  first_name: string;
  last_name: string;
  email: string;
  code: string;
  ticket_type: string;
}

const FIRST = [
  'Aaliyah',
  'Ana Sofía',
  'Anaïs',
  'Ngọc Ánh',
  'Åsa',
  'Babajide',
  'Björn',
  'Chiara',
  'Dmitri',
  'Đorđe',
  'Émile',
  'Erdoğan',
  'Fatoumata',
  'François',
  'Gülşen',
  'Hana',
  'Ingrid',
  'Jiří',
  'João',
  'Kwame',
  'Layla',
  'Łukasz',
  'Mei-Ling',
  'Niamh',
  'Øyvind',
  'Priya',
  'Quang',
  'Ruairí',
  'Søren',
  'Thandiwe',
  'Ülkü',
  'Wanjiru',
  'Yūki',
  'Zoë',
  'Ольга',
  'Γιώργος',
  '美咲',
  'سلمى',
] as const;
const LAST = [
  'Åkerström',
  'Baptiste',
  'Bello',
  'Castañeda',
  'Çelik',
  'Chaudhary',
  'D’Angelo',
  'Dvořák',
  'El-Amin',
  'Fernández',
  'Grünwald',
  'Hakimi',
  'Ibáñez',
  'Jóhannsdóttir',
  'Kaczyński',
  'Khumalo',
  'Lefèvre',
  'MacGregor',
  'Müller',
  'Nakamura',
  'Nguyễn',
  'Novák',
  'Ó Briain',
  'Papadopoulou',
  'Quispe',
  'Sørensen',
  'Tanaka',
  'Uzun',
  'Vasquez',
  'Weiß',
  'Yılmaz',
] as const;
const TICKETS = ['Standard', 'Standard', 'Standard', 'Student', 'Speaker', 'Press'] as const;

export const MARKUP = {
  first_name: '<img src=x onerror=alert(1)>',
  last_name: '<b>Bold</b> & "Co"',
};
export const FORMULA = { first_name: '=HYPERLINK("https://example.org")', last_name: '+1+1' };
export const LONG = {
  first_name: 'Maximiliane-Friederike Alexandra Konstantina',
  last_name: 'Freifrau von und zu Hohenlohe-Schillingsfürst-Waldenburg',
};
/** One word that no line holds. */
export const UNBROKEN = { first_name: 'Xóchitl'.repeat(12), last_name: 'Iñárritu' };

/** The first are the ones with difficult names. */
const DIFFICULT = [MARKUP, FORMULA, LONG, UNBROKEN];

/** `prefix` makes the codes unique in the whole log. */
export function person(prefix: string, at: number): Person {
  const difficult = DIFFICULT[at];
  const first = FIRST[(at * 7) % FIRST.length] ?? '';
  const last = LAST[(at * 11 + Math.floor(at / LAST.length)) % LAST.length] ?? '';
  return {
    ...(difficult ?? { first_name: first, last_name: last }),
    email: `guest${at + 1}@example.org`,
    code: ticketCode(prefix, at),
    ticket_type: TICKETS[(at * 5) % TICKETS.length] ?? '',
  };
}

export const ticketCode = (prefix: string, at: number): string =>
  `${prefix}-${String(at + 1).padStart(5, '0')}`;

export function attendeeList(people: readonly Person[]): string {
  const quoted = (value: string): string => `"${value.replaceAll('"', '""')}"`;
  const line = (one: Person): string =>
    [one.first_name, one.last_name, one.email, one.code, one.ticket_type].map(quoted).join(',');
  return ['first_name,last_name,email,code,ticket_type', ...people.map(line), ''].join('\r\n');
}
