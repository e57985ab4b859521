// A list of people as a file: its text, its first rows to look at, and the lines that were not taken as a file
// to mend. What a line means is the server's matter.

import type { components } from '../../api/schema';

export type Rejected = components['schemas']['Rejected'];
export type ListFormat = 'csv' | 'ndjson';

export interface Preview {
  columns: string[];
  rows: { line: number; fields: string[] }[];
}

interface CsvRecord {
  line: number;
  fields: string[];
}

const SPREADSHEET = /\.(xlsx|xlsm|xls|ods|numbers)$/i;
const NDJSON = /\.(ndjson|jsonl|json)$/i;
const SEPARATOR_LINE = /^sep=([,;\t])\r?\n/;
/** What makes a spreadsheet take a cell for a formula, with their full-width forms. */
const FORMULA = /^[ \u00a0\u3000\ufeff\0]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

export function isSpreadsheet(name: string, bytes: Uint8Array): boolean {
  // A zip file, whatever its name says.
  return SPREADSHEET.test(name) || (bytes[0] === 0x50 && bytes[1] === 0x4b);
}

export function formatOf(name: string, text: string): ListFormat {
  return NDJSON.test(name) || text.trimStart().startsWith('{') ? 'ndjson' : 'csv';
}

/** As the server reads it: by the byte order mark, else UTF-8, else Windows-1252. */
export function decode(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The first rows, as text. */
export function preview(text: string, format: ListFormat, rowsMax: number): Preview {
  if (format === 'ndjson') return previewOfNdjson(text, rowsMax);
  const { records } = readCsv(text, rowsMax + 1);
  const [header, ...rows] = records;
  return { columns: header?.fields ?? [], rows };
}

/** The lines that were not taken, with why, as CSV that can be mended and imported. A cell that might be a formula
 *  begins with `'`, as in the server's own exports. */
export function rejectedAsCsv(text: string, format: ListFormat, rejected: Rejected[]): string {
  const starts = lineStarts(text);
  const { delimiter, records } =
    format === 'csv' ? readCsv(text, 1) : { delimiter: ',', records: [] };
  const columns = format === 'csv' ? (records[0]?.fields ?? []) : [...NDJSON_COLUMNS];
  const rows = rejected.map(({ line, code, detail }) => {
    const start = starts[line - 1] ?? text.length;
    const physical = text.slice(start, starts[line] ?? text.length);
    const fields =
      format === 'ndjson'
        ? (fieldsOfJson(physical) ?? NDJSON_COLUMNS.map(() => ''))
        : fieldsAt(
            code === 'unclosed_quote' ? physical : text.slice(start, start + RECORD_CHARS_MAX),
            delimiter,
          );
    const padded = columns.map((_, place) => fields[place] ?? '');
    return [...padded, ...fields.slice(columns.length), String(line), `${code}: ${detail}`];
  });
  const header = [...columns, 'rejected line', 'rejected because'];
  return `\ufeff${[header, ...rows].map(csvLine).join('')}`;
}

/** One line of CSV; nothing in it is a formula. */
export function csvLine(fields: string[]): string {
  const cells = fields.map((field) => {
    const guarded = FORMULA.test(field) ? `'${field}` : field;
    return /[",\r\n]|^\s|\s$/.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
  });
  return `${cells.join(',')}\r\n`;
}

/** More is not looked at for one record. */
const RECORD_CHARS_MAX = 100_000;

const NDJSON_COLUMNS = [
  'first_name',
  'last_name',
  'email',
  'event_pax_id',
  'ticket_type',
  'external_id',
  'note',
] as const;

/** Up to so many records; empty lines are none. */
function readCsv(text: string, recordsMax: number): { delimiter: string; records: CsvRecord[] } {
  const named = SEPARATOR_LINE.exec(text);
  const delimiter = named?.[1] ?? delimiterOf(text);
  const records: CsvRecord[] = [];
  let at = named?.[0].length ?? 0;
  let line = named ? 2 : 1;
  while (at < text.length && records.length < recordsMax) {
    const record = recordAt(text, at, delimiter);
    if (record.fields.some((field) => field.trim() !== ''))
      records.push({ line, fields: record.fields });
    for (let place = at; place < record.end; place += 1) if (text[place] === '\n') line += 1;
    at = record.end;
  }
  return { delimiter, records };
}

function fieldsAt(text: string, delimiter: string): string[] {
  return recordAt(text, 0, delimiter).fields;
}

/** One record, and where it ends; a quote that never closes ends with the text. */
function recordAt(
  text: string,
  start: number,
  delimiter: string,
): { fields: string[]; end: number } {
  const fields: string[] = [];
  let field = '';
  let isQuoted = false;
  let isFresh = true;
  let at = start;
  for (; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (isQuoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') {
        field += '"';
        at += 1;
      } else isQuoted = false;
    } else if (char === '"' && isFresh) {
      isQuoted = true;
      isFresh = false;
    } else if (char === delimiter) {
      fields.push(field);
      field = '';
      isFresh = true;
    } else if (char === '\n' || char === '\r') {
      at += char === '\r' && text[at + 1] === '\n' ? 2 : 1;
      return { fields: [...fields, field], end: at };
    } else {
      field += char;
      isFresh = false;
    }
  }
  return { fields: [...fields, field.replace(/[\r\n]+$/, '')], end: at };
}

/** What the header has most of, outside quotes. */
function delimiterOf(text: string): string {
  const counts = { ',': 0, ';': 0, '\t': 0 };
  let isQuoted = false;
  for (const char of text.trimStart().slice(0, RECORD_CHARS_MAX)) {
    if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (char === '\n' || char === '\r') break;
    else if (char === ',' || char === ';' || char === '\t') counts[char] += 1;
  }
  if (counts[';'] > counts[','] && counts[';'] >= counts['\t']) return ';';
  return counts['\t'] > counts[','] ? '\t' : ',';
}

function previewOfNdjson(text: string, rowsMax: number): Preview {
  const rows: CsvRecord[] = [];
  const lines = text.split('\n', rowsMax * 4);
  for (const [place, line] of lines.entries()) {
    if (line.trim() === '' || rows.length >= rowsMax) continue;
    rows.push({ line: place + 1, fields: fieldsOfJson(line) ?? [line] });
  }
  return { columns: [...NDJSON_COLUMNS], rows };
}

/** The fields of a registration; null when the line is no JSON object. */
function fieldsOfJson(line: string): string[] | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const person =
    'user' in value && typeof value.user === 'object' && value.user !== null ? value.user : {};
  const fields: Record<string, unknown> = { ...value, ...person };
  return NDJSON_COLUMNS.map((column) => {
    const field = fields[column] ?? (column === 'event_pax_id' ? fields['code'] : undefined);
    return typeof field === 'string'
      ? field
      : field === undefined || field === null
        ? ''
        : JSON.stringify(field);
  });
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}
