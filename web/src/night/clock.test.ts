import { describe, expect, it } from 'vitest';
import { PlaybackClock, skippedMs } from './clock';

function onAWall() {
  const wall = { ms: 0 };
  return { wall, clock: new PlaybackClock(1_000_000, () => wall.ms) };
}

describe('the clock of playing', () => {
  it('stands until it is run, then runs as fast as it was told', () => {
    const { wall, clock } = onAWall();
    wall.ms = 500;
    expect(clock.now).toBe(1_000_000);
    clock.run(60);
    wall.ms = 1_500;
    expect(clock.now).toBe(1_060_000);
    clock.run(10);
    wall.ms = 2_500;
    expect(clock.now).toBe(1_070_000);
  });

  it('stays where it was stopped', () => {
    const { wall, clock } = onAWall();
    clock.run(10);
    wall.ms = 100;
    clock.stop();
    wall.ms = 90_000;
    expect(clock.now).toBe(1_001_000);
  });

  it('never goes back, whatever an event says', () => {
    const { wall, clock } = onAWall();
    clock.run(1);
    wall.ms = 5_000;
    clock.advanceTo(900_000);
    expect(clock.now).toBe(1_005_000);
    clock.advanceTo(1_200_000);
    expect(clock.now).toBe(1_200_000);
    wall.ms = 6_000;
    expect(clock.now).toBe(1_201_000);
  });

  it('says how long to wait on the wall', () => {
    const { clock } = onAWall();
    expect(clock.waitMs(1_060_000, 60)).toBe(1_000);
    expect(clock.waitMs(1_060_000, 1)).toBe(60_000);
    expect(clock.waitMs(999_000, 10)).toBe(0);
  });
});

describe('silence', () => {
  it('is waited for while it is short', () => {
    expect(skippedMs(0, 59_000, 1)).toBe(0);
    expect(skippedMs(0, 299_000, 60)).toBe(0);
    expect(skippedMs(0, -5_000, 60)).toBe(0);
  });

  it('is left out when it is long, but for a breath', () => {
    const minutes43 = 43 * 60_000;
    expect(skippedMs(0, minutes43, 1)).toBe(minutes43 - 400);
    expect(skippedMs(0, minutes43, 60)).toBe(minutes43 - 24_000);
  });
});
