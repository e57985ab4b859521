// What somebody shows to sign in: a sign-in link of this server, its code, or a token. Only their forms are
// looked at here; whether they are good, the server says.

export type Identity = { token: string } | { link: string };

const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const CODE = /^[\w-]{16,128}$/;

/** What is in a pasted or scanned text, or in the address; null when it is neither. */
export function identityIn(text: string, origin: string): Identity | null {
  const trimmed = text.trim().replace(/^Bearer\s+/i, '');
  // A token that was wrapped by a mail program or a terminal is still one.
  const joined = trimmed.replace(/\s+/g, '');
  if (TOKEN.test(joined)) return { token: joined };
  const url = URL.canParse(trimmed) ? new URL(trimmed) : null;
  if (!url) return CODE.test(joined) ? { link: joined } : null;
  if (url.origin !== origin || url.pathname !== '/sign-in') return null;
  const code = new URLSearchParams(url.hash.slice(1)).get('link');
  return code ? { link: code } : null;
}

/** The link that signs another device in. */
export function linkOf(code: string, origin: string): string {
  return `${origin}/sign-in#link=${code}`;
}
