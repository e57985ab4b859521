// Die deutschen Texte, nach Bereichen.

import type { Messages } from '../index.svelte';
import { admin } from './admin';
import { audit } from './audit';
import { dashboard } from './dashboard';
import { gathering } from './gathering';
import { night } from './night';
import { shell } from './shell';

export const de: Messages = { admin, audit, dashboard, gathering, night, shell };
