// Draws stacks of arrivals with uPlot. Loaded when a chart is first shown, so that it costs the page's start
// nothing. Colours come from the page's own tokens, read again when the theme changes.

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { topsOf, type Stacks } from './stacks';

/** Distances of ticks; nothing arrives between minutes. */
const TICK_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((n) => n * 60);

export interface Plot {
  show(stacks: Stacks): void;
  resize(width: number, height: number): void;
  destroy(): void;
}

export interface PlotTexts {
  time: (ms: number) => string;
  number: (value: number) => string;
}

/** `point` is told which bucket the pointer is on; null: none. */
export function plotIn(
  place: HTMLElement,
  texts: PlotTexts,
  point: (bucket: number | null) => void,
): Plot {
  let plot: uPlot | null = null;
  let drawn = '';
  let size = { width: place.clientWidth, height: place.clientHeight };

  return {
    show(stacks) {
      const data = dataOf(stacks);
      const shape = `${stacks.series.length} ${stacks.bucketMs}`;
      if (plot && drawn === shape) {
        plot.setData(data);
        return;
      }
      plot?.destroy();
      drawn = shape;
      plot = new uPlot(options(stacks, size, texts, point), data, place);
    },
    resize(width, height) {
      size = { width, height };
      plot?.setSize(size);
    },
    destroy() {
      plot?.destroy();
      plot = null;
    },
  };
}

/** The highest bars first, so that each is drawn over by the ones below it. */
function dataOf(stacks: Stacks): uPlot.AlignedData {
  return [stacks.starts.map((start) => start / 1000), ...topsOf(stacks.series).reverse()];
}

function options(
  stacks: Stacks,
  size: { width: number; height: number },
  texts: PlotTexts,
  point: (bucket: number | null) => void,
): uPlot.Options {
  const styles = getComputedStyle(document.documentElement);
  const token = (name: string) => resolved(styles.getPropertyValue(name));
  const bars = uPlot.paths.bars?.({ size: [0.86, 48], align: 1 });
  const axis = {
    stroke: token('--muted'),
    font: '12px system-ui, sans-serif',
    grid: { stroke: token('--line'), width: 1 },
    ticks: { stroke: token('--line'), width: 1, size: 4 },
  };
  return {
    ...size,
    padding: [8, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: true, range: (_, min, max) => [min, max + stacks.bucketMs / 1000] },
      y: { range: (_, __, max) => [0, Math.max(4, Math.ceil((max || 0) * 1.05))] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        space: 64,
        incrs: TICK_SECONDS,
        values: (_, ticks) => ticks.map((tick) => texts.time(tick * 1000)),
      },
      {
        ...axis,
        size: 44,
        values: (_, ticks) => ticks.map((tick) => (tick % 1 === 0 ? texts.number(tick) : '')),
      },
    ],
    series: [
      {},
      ...stacks.series
        .map((_, place) => {
          const fill = token(`--gate-${place + 1}`);
          return {
            fill,
            stroke: fill,
            width: 0,
            points: { show: false },
            ...(bars && { paths: bars }),
          };
        })
        .reverse(),
    ],
    hooks: { setCursor: [(plot) => point(plot.cursor.idx ?? null)] },
  };
}

/** A token may be `light-dark(…)`, which a canvas does not read; an element does. */
function resolved(value: string): string {
  const probe = document.createElement('span');
  probe.style.color = value;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
