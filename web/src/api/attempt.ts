// The name under which a command is sent: the same as long as no answer has come, so that pressing again does
// nothing twice; another one for another command.

/** A fresh name. Also where the page is not served securely, and `randomUUID` is missing. */
export function freshKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class Attempt {
  #content: string | null = null;
  #key = '';

  /** The name of this command. The same content keeps its name until it was answered. */
  keyFor(content: object): string {
    const text = JSON.stringify(content);
    if (text !== this.#content) {
      this.#content = text;
      this.#key = freshKey();
    }
    return this.#key;
  }

  /** The server has decided: the same content is a new command from here on. */
  answered(): void {
    this.#content = null;
  }
}
