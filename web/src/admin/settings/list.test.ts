import { describe, expect, it } from 'vitest';
import { csvLine, decode, formatOf, isSpreadsheet, preview, rejectedAsCsv } from './list';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('a file', () => {
  it('is read in every usual encoding', () => {
    expect(decode(bytes('Zoë'))).toBe('Zoë');
    expect(decode(bytes('\ufeffZoë'))).toBe('Zoë');
    expect(decode(new Uint8Array([0x5a, 0x6f, 0xeb]))).toBe('Zoë');
    expect(decode(new Uint8Array([0xff, 0xfe, 0x5a, 0, 0x6f, 0, 0xeb, 0]))).toBe('Zoë');
  });

  it('is CSV or NDJSON, or a spreadsheet that has to be saved as CSV', () => {
    expect(formatOf('people.csv', 'name\n')).toBe('csv');
    expect(formatOf('people.txt', '{"name":"Ana"}')).toBe('ndjson');
    expect(formatOf('people.NDJSON', '')).toBe('ndjson');
    expect(isSpreadsheet('people.xlsx', bytes(''))).toBe(true);
    expect(isSpreadsheet('people.csv', bytes('PK\u0003\u0004'))).toBe(true);
    expect(isSpreadsheet('people.csv', bytes('name'))).toBe(false);
  });
});

describe('the preview of CSV', () => {
  it('shows the first rows with the lines on which they start', () => {
    const text = 'name;note\n"Ruiz; Ana";"two\nlines"\n\nBo;said ""no\n';
    expect(preview(text, 'csv', 5)).toEqual({
      columns: ['name', 'note'],
      rows: [
        { line: 2, fields: ['Ruiz; Ana', 'two\nlines'] },
        { line: 5, fields: ['Bo', 'said ""no'] },
      ],
    });
  });

  it('takes the delimiter that a spreadsheet names, and no more rows than asked for', () => {
    const text = 'sep=;\r\nname;a,b\r\nAna;1\r\nBo;2\r\n';
    expect(preview(text, 'csv', 1)).toEqual({
      columns: ['name', 'a,b'],
      rows: [{ line: 3, fields: ['Ana', '1'] }],
    });
  });

  it('leaves markup and formulas the text that they are', () => {
    const text = 'name\n<b>Bo</b>\n=1+1\n';
    expect(preview(text, 'csv', 5).rows.map((row) => row.fields)).toEqual([
      ['<b>Bo</b>'],
      ['=1+1'],
    ]);
  });
});

describe('the preview of NDJSON', () => {
  it('shows the fields of a registration, with names under user or not', () => {
    const text = '{"user":{"first_name":"Ana"},"code":"A1"}\n\n{"last_name":"Li","email":3}\nno\n';
    const { columns, rows } = preview(text, 'ndjson', 5);
    expect(columns.slice(0, 4)).toEqual(['first_name', 'last_name', 'email', 'event_pax_id']);
    expect(rows.map((row) => [row.line, ...row.fields.slice(0, 4)])).toEqual([
      [1, 'Ana', '', '', 'A1'],
      [3, '', 'Li', '3', ''],
      [4, 'no'],
    ]);
  });
});

describe('the lines that were not taken', () => {
  it('come as CSV with their columns and why', () => {
    const text = 'first_name,email\nAna,ana@example.org\n"Bo, the","no\nmail"\n"Cy,x@\nDi,d\n';
    const csv = rejectedAsCsv(text, 'csv', [
      { line: 3, code: 'invalid_field', detail: 'email: must be an address' },
      { line: 5, code: 'unclosed_quote', detail: 'a quote opens' },
    ]);
    expect(csv).toBe(
      '\ufefffirst_name,email,rejected line,rejected because\r\n' +
        '"Bo, the","no\nmail",3,invalid_field: email: must be an address\r\n' +
        '"Cy,x@",,5,unclosed_quote: a quote opens\r\n',
    );
  });

  it('of NDJSON come in the columns of a registration', () => {
    const csv = rejectedAsCsv('{"first_name":"Ana","shoe":3}\noops\n', 'ndjson', [
      { line: 1, code: 'unknown_field', detail: 'shoe: is not a field' },
      { line: 2, code: 'invalid_json', detail: 'must be an object' },
    ]);
    expect(csv.split('\r\n').slice(1, 3)).toEqual([
      'Ana,,,,,,,1,unknown_field: shoe: is not a field',
      ',,,,,,,2,invalid_json: must be an object',
    ]);
  });

  it('are no formulas in a spreadsheet', () => {
    expect(csvLine(['=1+1', ' +49', '@x', '-', 'a=b'])).toBe(`'=1+1,' +49,'@x,'-,a=b\r\n`);
  });
});
