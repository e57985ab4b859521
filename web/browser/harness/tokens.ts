// Tokens as an organizer's own system would mint them: HS256 over the claims of the contract.

import { createHmac } from 'node:crypto';

export interface Claims {
  sub: string;
  name?: string;
  roles?: ('superuser' | 'creator' | 'auditor')[];
}

export const SUPERUSER: Claims = { sub: 'root', name: 'Ruth Root', roles: ['superuser'] };
export const AUDITOR: Claims = { sub: 'audit', name: 'Aude Auditor', roles: ['auditor'] };

const LIFETIME_S = 6 * 3_600;

export function mint(secret: string, claims: Claims, lifetimeS = LIFETIME_S): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + lifetimeS;
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...claims, exp })}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
