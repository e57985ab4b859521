// Sizes and indexes as notes and proofs write them. They are bigints here: a log may hold more events
// than a number can count exactly.

const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/;
const LARGEST = 2n ** 64n - 1n;

/** A number without sign and leading zeros, below 2^64; else null. */
export function parseDecimal(text: string): bigint | null {
  if (!DECIMAL.test(text)) return null;
  const number = BigInt(text);
  return number <= LARGEST ? number : null;
}
