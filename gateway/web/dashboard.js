// The dashboard: models with their state, searches as they run, and a chat.

import {Chat} from './chat.js';
import {el, get, keyField} from './common.js';
import {drawModels} from './models.js';
import {SearchView} from './search.js';
import {stateBadge} from './words.js';

const refreshEvery = 5000; // milliseconds between two looks at the lists

const place = id => document.getElementById(id);
const chat = new Chat(place('chat'));
const view = new SearchView(place('search'), {talkTo: model => chat.talkTo(model), changed: refresh});
let chosen = location.hash.slice(1); // the id of the search that is shown
let searches = [];

/** choose shows a search, and keeps it in the address, so that it can be shared. */
function choose(id) {
  chosen = id;
  history.replaceState(null, '', `#${id}`);
  drawSearches();
}

/** drawSearches draws one tab for each search, the latest first. */
function drawSearches() {
  const tabs = searches.map(s => {
    const tab = el('button', {type: 'button', class: 'tab', 'aria-pressed': String(s.id === chosen), 'data-id': s.id, onclick: () => choose(s.id)},
      el('strong', {}, s.spec.name || s.spec.task), ' ', stateBadge(s.state));
    return tab;
  });
  const focused = document.activeElement?.dataset?.id; // redrawing must not lose the focus
  place('searches').replaceChildren(...tabs);
  if (focused) tabs.find(t => t.dataset.id === focused)?.focus();
  const search = searches.find(s => s.id === chosen);
  if (search) view.show(search);
  else view.showNothing();
}

/** noneIfForbidden shows no searches to a key that may not see them. */
function noneIfForbidden(error) {
  if (error.status !== 403) throw error;
  return {data: []};
}

/** refresh reads both lists anew. */
async function refresh() {
  const trouble = place('trouble');
  try {
    const [models, found] = await Promise.all([get('/v1/models'), get('/v1/searches').catch(noneIfForbidden)]);
    drawModels(place('models'), models.data, model => chat.talkTo(model));
    chat.offer(models.data);
    searches = found.data.sort((a, b) => b.created_at.localeCompare(a.created_at));
    if (!searches.some(s => s.id === chosen)) chosen = searches[0]?.id ?? '';
    drawSearches();
    trouble.hidden = true;
  } catch (error) {
    trouble.hidden = false;
    trouble.textContent = error.status === 401
      ? `${error.message}. Enter an API key at the top of the page.`
      : `The server can't be reached or can't answer: ${error.message}`;
  }
}

place('key-place').append(keyField(() => { view.forget(); refresh(); }));
await refresh();
setInterval(() => { if (!document.hidden) refresh(); }, refreshEvery);
