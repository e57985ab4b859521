// Texte von audit/.

import type { Messages } from '../index.svelte';

export const audit: Messages['audit'] = {
  title: 'Prüfpult',
};
