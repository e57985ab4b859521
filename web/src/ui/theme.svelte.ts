// Light, dark, or what the device says. Kept on the device; one of the two things that are.

export type Theme = 'device' | 'light' | 'dark';

const KEY = 'doorbook.theme';

class ThemeChoice {
  #theme = $state<Theme>('device');

  get choice(): Theme {
    return this.#theme;
  }

  start(): void {
    const kept = readKept();
    if (kept === 'light' || kept === 'dark') this.choose(kept);
  }

  choose(theme: Theme): void {
    this.#theme = theme;
    if (theme === 'device') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
    try {
      if (theme === 'device') localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, theme);
    } catch {
      // Storage may be off: the choice then lasts as long as the page.
    }
  }
}

function readKept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const theme = new ThemeChoice();
