// Which page a path is. Going there is the router's.

export type Page =
  | { name: 'dashboard' }
  | { name: 'sign-in' }
  | { name: 'gathering'; id: string }
  | { name: 'evacuation'; id: string }
  | { name: 'night'; id: string }
  | { name: 'history'; id: string }
  | { name: 'settings'; id: string }
  | { name: 'audit' }
  | { name: 'admin' }
  | { name: 'not-found' };

const OF_A_GATHERING = ['evacuation', 'night', 'history', 'settings'] as const;

/** The page of a path; `not-found` for a path that is none. */
export function pageOf(path: string): Page {
  const [first, id, part, ...rest] = path.split('/').filter((piece) => piece !== '');
  if (first === undefined) return { name: 'dashboard' };
  if (first === 'gatherings' && id !== undefined && rest.length === 0) {
    if (part === undefined) return { name: 'gathering', id };
    const name = OF_A_GATHERING.find((known) => known === part);
    return name ? { name, id } : { name: 'not-found' };
  }
  if (id !== undefined) return { name: 'not-found' };
  if (first === 'sign-in' || first === 'audit' || first === 'admin') return { name: first };
  return { name: 'not-found' };
}
