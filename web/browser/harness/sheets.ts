// Opens what was exported as a program would that nobody here wrote: CSV by RFC 4180, XLSX by its ZIP directory and
// the cells of its first sheet.

import { inflateRawSync } from 'node:zlib';

export type Row = string[];

export function readCsv(text: string): Row[] {
  const rows: Row[] = [];
  let row: Row = [];
  let field = '';
  let isQuoted = false;
  const characters = text.replace(/^\uFEFF/, '');
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters.charAt(at);
    if (isQuoted) {
      if (character !== '"') field += character;
      else if (characters.charAt(at + 1) === '"') field += characters.charAt((at += 1));
      else isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === ',') {
      row.push(field);
      field = '';
    } else if (character === '\n') {
      rows.push([...row, field.replace(/\r$/, '')]);
      row = [];
      field = '';
    } else field += character;
  }
  if (isQuoted) throw new Error('a quoted field does not end');
  if (field !== '' || row.length > 0) rows.push([...row, field]);
  return rows;
}

export function readXlsx(bytes: Buffer): Row[] {
  const files = unzip(bytes);
  const sheet = files.get('xl/worksheets/sheet1.xml');
  if (sheet === undefined) throw new Error(`no first sheet in ${[...files.keys()].join(', ')}`);
  const shared = [...(files.get('xl/sharedStrings.xml') ?? '').matchAll(/<si>(.*?)<\/si>/gs)].map(
    ([, inner]) => textOf(inner ?? ''),
  );
  return [...sheet.matchAll(/<row\b[^>]*>(.*?)<\/row>/gs)].map(([, cells]) =>
    rowOf(cells ?? '', shared),
  );
}

/** Empty cells are left out of the file, so each says where it is. */
function rowOf(cells: string, shared: readonly string[]): Row {
  const row: Row = [];
  for (const [, attributes = '', inner = ''] of cells.matchAll(
    /<c\b([^>]*?)(?:\/>|>(.*?)<\/c>)/gs,
  )) {
    if (inner.includes('<f')) throw new Error(`a formula: ${inner}`);
    const letters = /\br="([A-Z]+)\d+"/.exec(attributes)?.[1];
    const value = textOf(inner);
    const text = attributes.includes('t="s"') ? (shared[Number(value)] ?? '') : value;
    row[letters === undefined ? row.length : columnOf(letters)] = text;
  }
  return Array.from(row, (value) => value ?? '');
}

/** A is 0, Z 25, AA 26. */
function columnOf(letters: string): number {
  return [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
}

/** The text of `<t>` and `<v>` in a cell. */
function textOf(xml: string): string {
  const parts = [...xml.matchAll(/<(?:t|v)\b[^>]*>(.*?)<\/(?:t|v)>/gs)].map(
    ([, text]) => text ?? '',
  );
  return parts
    .join('')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

const END_OF_DIRECTORY = 0x06054b50;
const DEFLATED = 8;

function unzip(bytes: Buffer): Map<string, string> {
  let end = bytes.length - 22;
  while (end >= 0 && bytes.readUInt32LE(end) !== END_OF_DIRECTORY) end -= 1;
  if (end < 0) throw new Error('this is no ZIP file');
  const files = new Map<string, string>();
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    const method = bytes.readUInt16LE(at + 10);
    const packed = bytes.readUInt32LE(at + 20);
    const [name, extra, comment] = [28, 30, 32].map((place) => bytes.readUInt16LE(at + place)) as [
      number,
      number,
      number,
    ];
    const header = bytes.readUInt32LE(at + 42);
    const begin = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
    const raw = bytes.subarray(begin, begin + packed);
    const path = bytes.toString('utf8', at + 46, at + 46 + name);
    files.set(path, (method === DEFLATED ? inflateRawSync(raw) : raw).toString('utf8'));
    at += 46 + name + extra + comment;
  }
  return files;
}
