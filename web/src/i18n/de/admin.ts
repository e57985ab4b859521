// Texte von admin/.

import type { Messages } from '../index.svelte';

export const admin: Messages['admin'] = {
  title: 'Verwaltung',
};
