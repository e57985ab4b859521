// Starts the pages: who is signed in is asked first, since the answer takes a while; language and theme are there
// before the shell, so that nothing is drawn twice.

import { mount } from 'svelte';
import App from './App.svelte';
import './app.css';
import { i18n } from './i18n/index.svelte';
import { session } from './session/session.svelte';
import { theme } from './ui/theme.svelte';

void session.load();

theme.start();
await i18n.start();

const page = document.getElementById('page');
if (page) mount(App, { target: page });
