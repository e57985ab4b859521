// Base64 as proofs use it: the standard alphabet, padded, with no spare bits. `atob` forgives more than
// that, and what forgives would let two different texts pass for the same proof.

const CANONICAL = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes, or null where the text is not exactly what encoding them would have given. */
export function decodeBase64(text: string): Bytes | null {
  if (!CANONICAL.test(text)) return null;
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  return encodeBase64(bytes) === text ? bytes : null;
}

export function encodeBase64(bytes: Bytes): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Bytes that WebCrypto takes: never those of a shared buffer. */
export type Bytes = Uint8Array<ArrayBuffer>;
