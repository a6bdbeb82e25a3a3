// How values are written for people.

import {el} from './common.js';

const kinds = {
  ready: 'good', done: 'good',
  failed: 'bad', cancelled: 'bad',
  running: 'busy', validating: 'busy', testing: 'busy', loading: 'busy',
};

/** stateBadge is the state of a model or a search. */
export const stateBadge = state => el('span', {class: `badge ${kinds[state] ?? ''}`}, state);

/** percent writes a share, such as 62.5 %. */
export const percent = share => `${(100 * share).toFixed(1)} %`;

/** scoreText is an accuracy with its standard error. */
export const scoreText = score => score ? `${(100 * score.accuracy).toFixed(1)} ± ${(100 * score.stderr).toFixed(1)} %` : '…';

/** bytes writes an amount of memory. */
export function bytes(n) {
  if (!n) return '';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${n.toFixed(i && n < 100 ? 1 : 0)} ${units[i]}`;
}

/** duration writes seconds. */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
