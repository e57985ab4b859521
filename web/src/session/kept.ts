// What a tab keeps until it is closed or signed out, so that it survives being loaded anew without a server: in
// sessionStorage, under one prefix, all forgotten together. Who keeps what is not known here.

const PREFIX = 'doorbook.kept.';

/** Whether it was kept: storage may be full or off. What was kept under the name before is then gone. */
export function keep(name: string, value: unknown): boolean {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    forget(name);
    return false;
  }
}

/** What was kept, as unsafe as anything that was read; undefined: nothing. */
export function kept(name: string): unknown {
  try {
    const text = sessionStorage.getItem(PREFIX + name);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isKept(name: string): boolean {
  try {
    return sessionStorage.getItem(PREFIX + name) !== null;
  } catch {
    return false;
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
  try {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
    }
  } catch {
    // Storage that is off holds nothing.
  }
}
