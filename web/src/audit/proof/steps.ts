// A check as a list of steps, each good, bad for one reason, or not taken because an earlier one failed.
// What is checked is in `check`.

import { Fault, type Reason } from './reasons';

export type StepName =
  | 'browser'
  | 'key'
  | 'proof'
  | 'signature'
  | 'record'
  | 'path'
  | 'entry'
  | 'earlier'
  | 'consistency_proof'
  | 'later'
  | 'growth';

export interface Step {
  name: StepName;
  state: 'good' | 'bad' | 'skipped';
  /** Why it is bad, or what it would have needed. */
  reason: Reason | null;
  /** What was computed and compared. */
  facts: Fact[];
}

/** A number, a hash, a name; `value` is shown as it is. */
export interface Fact {
  name: FactName;
  value: string;
}

export type FactName =
  | 'log'
  | 'key_id'
  | 'offset'
  | 'size'
  | 'hashes'
  | 'leaf'
  | 'computed_root'
  | 'signed_root'
  | 'computed_earlier_root'
  | 'earlier_root'
  | 'difference';

export interface Verdict {
  steps: Step[];
  /** Good when every step is; open when none is bad and one could not be taken. */
  state: 'good' | 'bad' | 'open';
  /** Of the first bad step. */
  reason: Reason | null;
}

/** Takes steps one after the other. */
export class Walk {
  readonly #steps: Step[] = [];

  /** What the step gives, or null when it is bad. A fault makes it bad; other errors are thrown on. */
  async take<T>(name: StepName, run: (facts: Facts) => T | Promise<T>): Promise<T | null> {
    const facts: Fact[] = [];
    try {
      const given = await run((fact, value) => facts.push({ name: fact, value: String(value) }));
      this.#steps.push({ name, state: 'good', reason: null, facts });
      return given;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#steps.push({ name, state: 'bad', reason: error.reason, facts });
      return null;
    }
  }

  skip(name: StepName, reason: Reason | null = null): null {
    this.#steps.push({ name, state: 'skipped', reason, facts: [] });
    return null;
  }

  verdict(): Verdict {
    const bad = this.#steps.find((step) => step.state === 'bad');
    const open = this.#steps.some((step) => step.state === 'skipped');
    return {
      steps: this.#steps,
      state: bad ? 'bad' : open ? 'open' : 'good',
      reason: bad?.reason ?? null,
    };
  }
}

export type Facts = (name: FactName, value: string | bigint | number) => void;
