// Starts the pages: what the server has to say is asked first, since it takes a while; language and theme are there
// before the shell, so that nothing is drawn twice.

import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { openEarly } from './feed/board.svelte';
import { i18n } from './i18n/index.svelte';
import { session } from './session/session.svelte';
import { theme } from './ui/theme.svelte';

void session.load();
if (location.pathname === '/') openEarly();

theme.start();
await i18n.start();

const page = document.getElementById('page');
if (page) mount(App, { target: page });
