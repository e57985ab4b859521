// The people of a gathering as a list that stays sorted by name while rows change: what the list, the
// search and the evacuation list read. Which of two rows is newer is decided by their offsets, so that a
// page read late never undoes what the stream has said.

import type { Participant } from '../api/client';

interface Entry {
  row: Participant;
  /** What it is sorted by: last name, first name, id. */
  key: string;
  /** What is searched: names, email and code, folded. */
  text: string;
}

/** Lower case without accents: what is the same for somebody who searches. */
export function folded(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .replaceAll('ø', 'o')
    .replaceAll('ł', 'l')
    .replaceAll('đ', 'd')
    .replaceAll('ı', 'i')
    .replaceAll('æ', 'ae')
    .replaceAll('œ', 'oe');
}

export class People {
  #byId = new Map<string, Entry>();
  #sorted: Entry[] = [];
  #revision = 0;

  get size(): number {
    return this.#byId.size;
  }

  /** Grows whenever a row is another. */
  get revision(): number {
    return this.#revision;
  }

  get(id: string): Participant | undefined {
    return this.#byId.get(id)?.row;
  }

  /** Takes a row, unless a newer one of the same person is here. */
  put(row: Participant): void {
    const held = this.#byId.get(row.id);
    if (held && held.row.offset > row.offset) return;
    const entry = entryOf(row, held);
    this.#byId.set(row.id, entry);
    this.#revision += 1;
    if (held && held.key === entry.key) this.#sorted[this.#place(held.key)] = entry;
    else {
      if (held) this.#sorted.splice(this.#place(held.key), 1);
      this.#sorted.splice(this.#place(entry.key), 0, entry);
    }
  }

  /** Takes many at once: they are sorted among themselves, and merged with those that are here. */
  putAll(rows: readonly Participant[]): void {
    const fresh = new Map<string, Entry>();
    for (const row of rows) {
      const held = this.#byId.get(row.id);
      if (!held || held.row.offset <= row.offset) fresh.set(row.id, entryOf(row, held));
    }
    const added = [...fresh.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    const kept = this.#sorted.filter((entry) => !fresh.has(entry.row.id));
    for (const [id, entry] of fresh) this.#byId.set(id, entry);
    this.#sorted = merged(kept, added);
    this.#revision += 1;
  }

  clear(): void {
    this.#byId.clear();
    this.#sorted = [];
    this.#revision += 1;
  }

  /** By last name, then first name. A copy of references, which the caller may keep. */
  all(): Participant[] {
    return this.#sorted.map((entry) => entry.row);
  }

  /** Those who fit: each word of the search is in a name, the email or the code. */
  find(search: string, keep: (row: Participant) => boolean = () => true): Participant[] {
    const words = folded(search)
      .split(/\s+/)
      .filter((word) => word !== '');
    const found: Participant[] = [];
    for (const entry of this.#sorted) {
      if (words.every((word) => entry.text.includes(word)) && keep(entry.row))
        found.push(entry.row);
    }
    return found;
  }

  /** Where a key is, or would be. */
  #place(key: string): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = this.#sorted[middle];
      if (entry && entry.key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function merged(one: readonly Entry[], other: readonly Entry[]): Entry[] {
  const all: Entry[] = [];
  let place = 0;
  for (const entry of one) {
    let next = other[place];
    while (next && next.key < entry.key) {
      all.push(next);
      place += 1;
      next = other[place];
    }
    all.push(entry);
  }
  for (const entry of other.slice(place)) all.push(entry);
  return all;
}

/** Somebody who was scanned has the same name as before: folding it again would be most of the work. */
function entryOf(row: Participant, held: Entry | undefined): Entry {
  if (held && isSameName(held.row, row)) return { row, key: held.key, text: held.text };
  const { first_name, last_name, email } = row.user;
  // The id last, so that no two keys are the same.
  const key = `${folded(last_name ?? '')}\u0001${folded(first_name ?? '')}\u0001${row.id}`;
  const text = folded([first_name, last_name, email, row.event_pax_id].join(' '));
  return { row, key, text };
}

function isSameName(one: Participant, other: Participant): boolean {
  return (
    one.user.first_name === other.user.first_name &&
    one.user.last_name === other.user.last_name &&
    one.user.email === other.user.email
  );
}
