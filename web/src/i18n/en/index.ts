// The English texts, by area. They are also the shape that every other language has.

import { admin } from './admin';
import { audit } from './audit';
import { dashboard } from './dashboard';
import { gathering } from './gathering';
import { night } from './night';
import { shell } from './shell';

export const en = { admin, audit, dashboard, gathering, night, shell };
