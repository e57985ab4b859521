// The language of the pages: which there are, which one is on, and its texts. To add one: copy `en/`,
// translate it, and add a line to `LANGUAGES`; the compiler names every text that is missing.

import { en } from './en';

export type Messages = typeof en;

export const LANGUAGES = {
  en: { name: 'English', direction: 'ltr', load: async (): Promise<Messages> => en },
  de: { name: 'Deutsch', direction: 'ltr', load: async () => (await import('./de')).de },
} satisfies Record<
  string,
  { name: string; direction: 'ltr' | 'rtl'; load: () => Promise<Messages> }
>;

export type Language = keyof typeof LANGUAGES;

const KEY = 'doorbook.language';

class I18n {
  #language = $state<Language>('en');
  #messages = $state.raw<Messages>(en);

  /** The texts, by area: `i18n.t.dashboard.title`. */
  get t(): Messages {
    return this.#messages;
  }

  get language(): Language {
    return this.#language;
  }

  /** Puts the kept language on, else the first one that the device asks for and there is. */
  async start(): Promise<void> {
    const asked = [kept(), ...navigator.languages].map((tag) => tag?.split('-')[0]);
    const language = asked.find(isLanguage) ?? 'en';
    await this.#put(language);
  }

  async choose(language: Language): Promise<void> {
    await this.#put(language);
    try {
      localStorage.setItem(KEY, language);
    } catch {
      // Storage may be off: the choice then lasts as long as the page.
    }
  }

  async #put(language: Language): Promise<void> {
    this.#messages = await LANGUAGES[language].load();
    this.#language = language;
    document.documentElement.lang = language;
    document.documentElement.dir = LANGUAGES[language].direction;
  }
}

export function isLanguage(tag: string | undefined): tag is Language {
  return tag !== undefined && Object.hasOwn(LANGUAGES, tag);
}

function kept(): string | undefined {
  try {
    return localStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}

export const i18n = new I18n();
