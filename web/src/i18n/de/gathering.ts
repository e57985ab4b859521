// Texte von gathering/.

import type { Messages } from '../index.svelte';

export const gathering: Messages['gathering'] = {
  title: 'Veranstaltung',
};
