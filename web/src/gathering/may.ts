// What a role may do in a gathering. The server decides; here is only what is offered.

import type { Gathering } from '../api/client';

export type Role = NonNullable<Gathering['your_role']>;

export interface May {
  /** Check in and out. */
  scan: boolean;
  /** Take back scans: of anybody, or one's own recent ones. */
  undo: 'any' | 'any_with_reason' | 'own' | null;
  override: boolean;
  cancel: boolean;
  register: boolean;
  readHistory: boolean;
  /** Everything held about a person. */
  exportPerson: boolean;
  /** The gathering itself, its team, its door tokens. */
  change: boolean;
}

const NOTHING: May = {
  scan: false,
  undo: null,
  override: false,
  cancel: false,
  register: false,
  readHistory: false,
  exportPerson: false,
  change: false,
};

const OWNER: May = {
  scan: true,
  undo: 'any',
  override: true,
  cancel: true,
  register: true,
  readHistory: true,
  exportPerson: true,
  change: true,
};

const BY_ROLE: Record<Role, May> = {
  superuser: OWNER,
  creator: OWNER,
  supervisor: { ...OWNER, undo: 'any_with_reason', exportPerson: false, change: false },
  steward: { ...NOTHING, scan: true, undo: 'own' },
  auditor: { ...NOTHING, readHistory: true },
};

/** What a session lets expect, before a gathering has been read; the role in it may turn out to be another one. */
export function expectedRole(session: {
  who: { door_role?: 'steward' | 'supervisor' | null } | null;
  has: (role: 'superuser' | 'creator' | 'auditor') => boolean;
}): Role | null {
  const held = (['superuser', 'creator', 'auditor'] as const).find((role) => session.has(role));
  return session.who?.door_role ?? held ?? null;
}

/** Without a role: nothing but to look. */
export function mayOf(role: Role | null | undefined): May {
  return role ? BY_ROLE[role] : NOTHING;
}
