// The table of models.

import {el} from './common.js';
import {bytes, percent, stateBadge} from './words.js';

/** modelName is what people call a model, with what it is besides. */
function modelName(m, talkTo) {
  const name = el('button', {type: 'button', class: 'link', title: 'Chat with it', onclick: () => talkTo(m.id)}, m.name || m.id);
  const more = m.target ? `→ ${m.target}` : m.name ? m.id : '';
  const sees = m.input_modalities?.includes('image') && el('span', {class: 'note small'}, ' sees pictures');
  return el('td', {}, name, sees, more && el('div', {class: 'note small mono'}, more), m.error && el('div', {class: 'bad small'}, m.error));
}

/** drawModels draws the table. */
export function drawModels(place, models, talkTo) {
  if (!models.length) {
    place.replaceChildren(el('p', {class: 'note'}, 'No models yet. Each folder with a model below the models folder shows up here.'));
    return;
  }
  const focused = place.contains(document.activeElement) ? document.activeElement.textContent : null;
  const rows = models.map(m => el('tr', {}, modelName(m, talkTo), el('td', {class: 'note'}, m.kind), el('td', {}, stateBadge(m.state), m.progress ? ` ${percent(m.progress)}` : null),
    el('td', {class: 'number'}, bytes(m.bytes))));
  place.replaceChildren(el('table', {},
    el('thead', {}, el('tr', {}, el('th', {}, 'Model'), el('th', {}, 'Kind'), el('th', {}, 'State'), el('th', {class: 'number'}, 'Memory'))),
    el('tbody', {}, ...rows)));
  if (focused) [...place.querySelectorAll('button')].find(b => b.textContent === focused)?.focus();
}
