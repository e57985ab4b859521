// What the panels of a gathering's page read, whether it is live or a moment of the past.

import type { Freshness } from './freshness';
import type { Picture } from './picture';

export interface Feed {
  /** Read it after reading `version`: it changes in place, and `version` says that it has. */
  readonly picture: Picture;
  /** Reactive; grows with each drawing that is due. */
  readonly version: number;
  /** Reactive. */
  readonly freshness: Freshness;
  /** Reactive; people loaded so far of how many, while the list is not whole. */
  readonly loading: { loaded: number; all: number } | null;
  /** The offset to ask the API for with `?as_of=`; null: the present. */
  readonly asOf: number | null;
}
