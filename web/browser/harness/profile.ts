// A browser profile of its own on the disk, as somebody's browser has one, and what is found in it afterwards.

import { chromium, type BrowserContext } from '@playwright/test';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { BROWSER_ARGUMENTS, chromiumPath } from './surroundings.ts';

export class Profile {
  constructor(readonly directory: string) {}

  open(baseURL: string): Promise<BrowserContext> {
    return chromium.launchPersistentContext(this.directory, {
      executablePath: chromiumPath(),
      args: BROWSER_ARGUMENTS,
      baseURL,
    });
  }

  /** Files of the profile that hold a text, in one of the encodings that Chromium writes. */
  filesWith(text: string): string[] {
    const forms = [Buffer.from(text, 'utf8'), Buffer.from(text, 'utf16le')];
    return this.#files()
      .filter((file) => forms.some((form) => readFileSync(file).includes(form)))
      .map((file) => relative(this.directory, file));
  }

  #files(): string[] {
    return readdirSync(this.directory, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  }
}
