// Why a check fails: one reason each, from which the page makes its sentences (`i18n/…/audit`). Thrown
// by what reads and checks the parts, gathered into steps by `verdict`.

export const REASONS = [
  // The browser.
  'no_web_crypto',
  'no_ed25519',
  // The verifier key.
  'not_a_key',
  'key_id_differs',
  // The signed checkpoint.
  'not_a_note',
  'not_a_checkpoint',
  'not_signed_by_key',
  'other_log',
  'bad_signature',
  // The proof of one entry.
  'not_a_proof',
  'no_record',
  'index_outside',
  'path_too_short',
  'path_too_long',
  'root_differs',
  'record_unreadable',
  'record_elsewhere',
  'entry_differs',
  // Two checkpoints of one log.
  'not_a_consistency_proof',
  'other_checkpoint',
  'log_shrank',
  'same_size_other_root',
  'consistency_path_wrong',
  'history_rewritten',
] as const;

export type Reason = (typeof REASONS)[number];

/** A part that is not what it should be. */
export class Fault extends Error {
  constructor(readonly reason: Reason) {
    super(reason);
  }
}

/** What a browser without the means says before anything is read. Null: it can check. */
export async function browserFault(): Promise<Reason | null> {
  // Only pages that came by https, or from the same machine, are given WebCrypto.
  if (!globalThis.crypto?.subtle) return 'no_web_crypto';
  try {
    await crypto.subtle.importKey('raw', ANY_KEY, 'Ed25519', false, ['verify']);
    return null;
  } catch {
    return 'no_ed25519';
  }
}

/** The base point of the curve: a public key that every implementation takes. */
const ANY_KEY = Uint8Array.of(0x58, ...new Array<number>(31).fill(0x66));
