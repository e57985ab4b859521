// Texte von night/.

import type { Messages } from '../index.svelte';

export const night: Messages['night'] = {
  title: 'Der Abend noch einmal',
};
