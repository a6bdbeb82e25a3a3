// A recipe as a table: the weight of every source in every layer group.

import {el} from './common.js';

/** groupNames are the labels of the layer groups, where the search tells them. */
function groupNames(recipe, parameters) {
  const first = recipe.sources[0];
  const names = parameters.filter(p => p.kind === 'weight' && p.source === first.model).map(p => p.group);
  const count = Math.max(...recipe.sources.map(s => s.weight.length));
  return Array.from({length: count}, (_, i) => names.length === count ? names[i] : count === 1 ? 'weight' : `group ${i + 1}`);
}

/** recipeTable draws a recipe. */
export function recipeTable(recipe, parameters) {
  const groups = groupNames(recipe, parameters);
  const value = (list, i) => list?.length ? (list[i] ?? list[0]).toFixed(3) : '';
  const rows = recipe.sources.map(s => el('tr', {}, el('td', {}, s.model), ...groups.map((_, i) => el('td', {class: 'number'},
    value(s.weight, i), s.density?.length ? el('div', {class: 'note small'}, `density ${value(s.density, i)}`) : null))));
  const traits = [recipe.method, recipe.base_model && `on ${recipe.base_model}`, recipe.lambda !== 1 && `λ ${recipe.lambda}`,
    recipe.normalize && 'normalised', recipe.rescale && `rescale ${recipe.rescale}`, recipe.dtype];
  return el('div', {}, el('p', {class: 'small note'}, traits.filter(Boolean).join(' · ')),
    el('div', {class: 'scroll'}, el('table', {}, el('thead', {}, el('tr', {}, el('th', {}, 'Weights of'), ...groups.map(g => el('th', {class: 'number'}, g)))),
      el('tbody', {}, ...rows))));
}
