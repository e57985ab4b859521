// Starts the pages: language and theme first, so that nothing is drawn twice, then the shell.

import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { i18n } from './i18n/index.svelte';
import { theme } from './ui/theme.svelte';

theme.start();
await i18n.start();

const page = document.getElementById('page');
if (page) mount(App, { target: page });
