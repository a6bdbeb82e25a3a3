// The fitness of every trial, and the best so far, as SVG.

import {svg} from './common.js';

const height = 240;
const margin = {left: 46, right: 12, top: 12, bottom: 32};

/** ticks are round numbers between low and high. */
function ticks(low, high, about) {
  const rough = (high - low) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= rough);
  const out = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) out.push(i * step);
  return out;
}

/** domain is the range of fitness that is drawn, with some air. */
function domain(values) {
  const low = Math.min(...values), high = Math.max(...values);
  const air = 0.08 * (high - low) || 0.05;
  return [low >= 0 ? Math.max(0, low - air) : low - air, high + air];
}

/** stairs is the path of the best fitness so far. */
function stairs(trials, x, y) {
  let best = -Infinity;
  let path = '';
  for (const t of trials) {
    if (t.failure || t.fitness <= best) continue;
    path += path ? `H${x(t.number).toFixed(1)}V${y(t.fitness).toFixed(1)}` : `M${x(t.number).toFixed(1)} ${y(t.fitness).toFixed(1)}`;
    best = t.fitness;
  }
  return path && `${path}H${x(trials.at(-1).number).toFixed(1)}`;
}

/** plot draws trials as wide as its place is; planned is where the axis ends. */
export function plot(trials, planned, width) {
  const chart = svg('svg', {class: 'chart', viewBox: `0 0 ${width} ${height}`, role: 'img'});
  const scored = trials.filter(t => !t.failure).map(t => t.fitness);
  const [low, high] = domain(scored.length ? scored : [0, 1]);
  const last = Math.max(planned - 1, trials.at(-1)?.number ?? 0, 1);
  const x = n => margin.left + (width - margin.left - margin.right) * n / last;
  const y = f => height - margin.bottom - (height - margin.top - margin.bottom) * (f - low) / (high - low);
  const best = scored.length ? Math.max(...scored) : null;
  chart.append(svg('title', {}, best == null ? 'No trial has been scored yet' : `Fitness of ${trials.length} trials; the best is ${best.toFixed(3)}`));
  for (const f of ticks(low, high, 4)) {
    chart.append(svg('line', {class: 'axis', x1: margin.left, x2: width - margin.right, y1: y(f), y2: y(f)}),
      svg('text', {x: margin.left - 6, y: y(f) + 4, 'text-anchor': 'end'}, Number(f.toPrecision(6))));
  }
  for (const n of ticks(0, last, Math.min(8, width / 80)).filter(Number.isInteger)) {
    chart.append(svg('text', {x: x(n), y: height - margin.bottom + 16, 'text-anchor': 'middle'}, n));
  }
  chart.append(svg('text', {x: width - margin.right, y: height - 3, 'text-anchor': 'end'}, 'trial'),
    svg('text', {x: 2, y: height - 3}, 'fitness: ● a trial  × failed  ─ best so far'));
  for (const t of trials) {
    if (t.failure) {
      const [cx, cy] = [x(t.number), height - margin.bottom - 4];
      chart.append(svg('path', {class: 'failed', d: `M${cx - 3} ${cy - 3}l6 6m0-6l-6 6`}, svg('title', {}, `trial ${t.number}: ${t.failure}`)));
    } else {
      chart.append(svg('circle', {class: t.fitness === best ? 'dot top' : 'dot', cx: x(t.number).toFixed(1), cy: y(t.fitness).toFixed(1), r: 3},
        svg('title', {}, `trial ${t.number}: ${t.fitness.toFixed(4)}`)));
    }
  }
  const path = stairs(trials, x, y);
  if (path) chart.append(svg('path', {class: 'best', d: path}));
  return chart;
}

/** bar shows an accuracy and its standard error on a scale to most. */
export function bar(score, most) {
  const w = 120, at = share => 2 + (w - 4) * Math.min(1, share / most);
  const low = at(Math.max(0, score.accuracy - score.stderr)), high = at(score.accuracy + score.stderr);
  return svg('svg', {class: 'bar', viewBox: `0 0 ${w} 14`, 'aria-hidden': 'true'},
    svg('rect', {x: 2, y: 3, width: Math.max(1, at(score.accuracy) - 2), height: 8}),
    svg('path', {d: `M${low} 7H${high}M${low} 4v6M${high} 4v6`}));
}
