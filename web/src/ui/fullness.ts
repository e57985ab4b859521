// When a gathering is nearly full: early enough that a supervisor can still do something.

/** Share of the capacity from which it is nearly full. */
export const NEARLY = 0.9;

export type Fullness = 'unlimited' | 'room' | 'nearly' | 'full' | 'over';

export function fullness(inside: number, capacity: number | null): Fullness {
  if (capacity === null) return 'unlimited';
  if (inside > capacity) return 'over';
  if (inside === capacity) return 'full';
  return inside >= capacity * NEARLY ? 'nearly' : 'room';
}
