// What a tab keeps until it is closed or signed out, so that it survives being loaded anew without a server: in
// sessionStorage, under one prefix, each with who was signed in, all forgotten together. What it is, is not known
// here.

const PREFIX = 'doorbook.kept.';

export interface Kept {
  /** Who was signed in when it was kept. */
  sub: string;
  /** As unsafe as anything that was read. */
  value: unknown;
}

/** Whether it was kept: storage may be full or off. What was kept under the name before is then gone. */
export function keep(name: string, sub: string, value: unknown): boolean {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify({ sub, value } satisfies Kept));
    return true;
  } catch {
    forget(name);
    return false;
  }
}

/** What was kept, and by whom; null: nothing, or nothing that can be read. */
export function kept(name: string): Kept | null {
  try {
    return keptIn(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

export function forget(name: string): void {
  try {
    sessionStorage.removeItem(PREFIX + name);
  } catch {
    // Storage that is off holds nothing.
  }
}

/** At the end of the session: nothing of its people stays in the tab. */
export function forgetAll(): void {
  forgetThose(() => true);
}

/** When somebody is signed in: what others have kept is not theirs to see. */
export function forgetOthers(sub: string): void {
  forgetThose((entry) => entry?.sub !== sub);
}

function forgetThose(isMeant: (entry: Kept | null) => boolean): void {
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (!key.startsWith(PREFIX)) continue;
      const name = key.slice(PREFIX.length);
      if (isMeant(kept(name))) forget(name);
    }
  } catch {
    // Storage that is off holds nothing.
  }
}

function keptIn(text: string | null): Kept | null {
  const entry: unknown = text === null ? null : JSON.parse(text);
  if (typeof entry !== 'object' || entry === null) return null;
  if (!('sub' in entry) || typeof entry.sub !== 'string' || !('value' in entry)) return null;
  return { sub: entry.sub, value: entry.value };
}
