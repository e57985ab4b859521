// Where the browser is, and going to another page without loading the document anew. What a page shows is not
// here, nor which paths there are (`page.ts`).

import { pageOf, type Page } from './page';

class Router {
  #path = $state(location.pathname);
  #query = $state.raw(new URLSearchParams(location.search));

  constructor() {
    addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (click) => this.#follow(click));
  }

  get page(): Page {
    return pageOf(this.#path);
  }

  get path(): string {
    return this.#path;
  }

  /** The query of the address; change it with `setQuery`. */
  get query(): URLSearchParams {
    return this.#query;
  }

  go(href: string): void {
    history.pushState(null, '', href);
    this.#read();
    scrollTo(0, 0);
  }

  replace(href: string): void {
    history.replaceState(null, '', href);
    this.#read();
  }

  /** Sets what is given, removes what is null; the page stays. */
  setQuery(changes: Record<string, string | null>, how: 'push' | 'replace' = 'replace'): void {
    const query = new URLSearchParams(this.#query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    const href = text === '' ? this.#path : `${this.#path}?${text}`;
    if (how === 'push') history.pushState(null, '', href);
    else history.replaceState(null, '', href);
    this.#read();
  }

  #read(): void {
    this.#path = location.pathname;
    this.#query = new URLSearchParams(location.search);
  }

  #follow(click: MouseEvent): void {
    if (click.defaultPrevented || click.button !== 0) return;
    if (click.metaKey || click.ctrlKey || click.shiftKey || click.altKey) return;
    const link = click.target instanceof Element ? click.target.closest('a') : null;
    if (!link || link.target !== '' || link.hasAttribute('download')) return;
    const url = new URL(link.href, location.href);
    if (url.origin !== location.origin || pageOf(url.pathname).name === 'not-found') return;
    if (url.hash !== '' && url.pathname === location.pathname) return;
    click.preventDefault();
    this.go(url.pathname + url.search);
  }
}

export const router = new Router();
