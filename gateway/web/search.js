// One search: its progress as it happens, its scores and its winner.

import {el, events, get, request} from './common.js';
import {bar, plot} from './plot.js';
import {recipeTable} from './recipe.js';
import {duration, percent, scoreText, stateBadge} from './words.js';

const final = new Set(['done', 'failed', 'cancelled']);
const retryAfter = 2000; // milliseconds until a lost stream is asked for again

const wait = ms => new Promise(resolve => setTimeout(resolve, ms));

/** SearchView draws a search and follows it. */
export class SearchView {
  #place; #talkTo; #changed;
  #search = null; // as the server last described it, with events since
  #trials = [];
  #last = 0; // the number of the latest event
  #abort = null;
  #drawing = false;

  constructor(place, {talkTo, changed}) {
    this.#place = place;
    this.#talkTo = talkTo;
    this.#changed = changed;
    new ResizeObserver(() => this.#redraw()).observe(place);
  }

  /** forget ends the stream, so that show begins anew. */
  forget() {
    this.#abort?.abort();
    this.#abort = this.#search = null;
  }

  /** showNothing is the page of a server that has not searched yet. */
  showNothing() {
    this.forget();
    this.#place.replaceChildren(el('div', {class: 'card empty'},
      el('p', {}, el('strong', {}, 'No searches yet.')),
      el('p', {class: 'note'}, 'A search merges its sources in many proportions, scores each candidate on a task, and publishes the best as a model.'),
      el('p', {}, 'Start one with ', el('a', {href: '/docs#post_v1_searches'}, 'POST /v1/searches'), ' or ', el('code', {}, 'mergeway search'), '.')));
  }

  /** show draws a search; one that is shown already goes on. */
  show(search) {
    if (search.id === this.#search?.id) return;
    this.forget();
    this.#search = search;
    this.#trials = [];
    this.#last = 0;
    this.#abort = new AbortController();
    this.#draw();
    this.#follow(search.id, this.#abort.signal);
  }

  /** #follow reads events until the search ends, and again if the stream breaks. */
  async #follow(id, signal) {
    while (!signal.aborted) {
      try {
        const response = await request('GET', `/v1/searches/${encodeURIComponent(id)}/events?after=${this.#last}`, undefined, {signal});
        if (response.status !== 204) {
          for await (const event of events(response)) this.#apply(JSON.parse(event.data));
        }
        const search = await get(`/v1/searches/${encodeURIComponent(id)}`);
        if (signal.aborted) return;
        this.#search = search;
        this.#redraw();
        if (final.has(search.state)) {
          this.#changed();
          return;
        }
      } catch (error) {
        if (signal.aborted || error.status === 404) return;
      }
      await wait(retryAfter);
    }
  }

  /** #apply takes in one event. */
  #apply(event) {
    const s = this.#search;
    this.#last = event.number;
    switch (event.type) {
      case 'state':
        Object.assign(s, {state: event.state, reason: event.reason});
        break;
      case 'trial':
        this.#trials.push(event.trial);
        s.progress.trials = Math.max(s.progress.trials, event.trial.number + 1);
        break;
      case 'generation':
        s.progress.generation = Math.max(s.progress.generation, event.generation.generation + 1);
        break;
      case 'test': {
        const row = (s.scores ??= []).findIndex(r => r.role === event.row.role && r.name === event.row.name);
        if (row < 0) s.scores.push(event.row);
        else s.scores[row] = event.row;
        break;
      }
      case 'published':
        s.winner = event.winner;
    }
    this.#redraw();
  }

  /** #redraw draws once for many events. */
  #redraw() {
    if (this.#drawing || !this.#search) return;
    this.#drawing = true;
    requestAnimationFrame(() => { this.#drawing = false; if (this.#search) this.#draw(); });
  }

  #draw() {
    const s = this.#search;
    const open = this.#place.querySelector('details')?.open;
    const focused = this.#place.contains(document.activeElement) ? document.activeElement.textContent : null;
    const width = Math.max(280, this.#place.clientWidth - 34); // less the card's padding
    this.#place.replaceChildren(
      el('div', {class: 'card'}, this.#head(), this.#facts(), plot(this.#trials, s.spec.trials, width)),
      ...(s.scores?.length ? [scoreTable(s.scores)] : []),
      ...(s.winner ? [this.#winner(s.winner, open)] : []));
    if (focused) [...this.#place.querySelectorAll('button, summary')].find(b => b.textContent === focused)?.focus();
  }

  /** #head names the search, its state, and what can be done about it. */
  #head() {
    const s = this.#search;
    const cancel = !final.has(s.state) && el('button', {type: 'button', onclick: () => this.#cancel()}, 'Cancel the search');
    return el('div', {},
      el('p', {class: 'row'}, el('strong', {class: 'grow'}, s.spec.name || s.spec.task), stateBadge(s.state), cancel || null),
      el('p', {class: 'note small'}, `${s.spec.method} of ${s.spec.sources.join(', ')} on ${s.spec.base}; task ${s.spec.task}; `, el('span', {class: 'mono'}, s.id)),
      s.reason ? el('p', {class: 'bad'}, s.reason) : null);
  }

  /** #facts are the numbers that change while it runs. */
  #facts() {
    const {spec, progress} = this.#search;
    const scored = this.#trials.filter(t => !t.failure);
    const best = scored.reduce((a, b) => (a && a.fitness >= b.fitness ? a : b), null) ?? progress.best;
    const fact = (name, value) => el('div', {}, el('dt', {}, name), el('dd', {}, value));
    return el('div', {},
      el('progress', {max: spec.trials, value: Math.min(progress.trials, spec.trials), 'aria-label': 'Trials done'}),
      el('dl', {class: 'facts'},
        fact('trials', `${progress.trials} of ${spec.trials}`), fact('generations', progress.generation),
        fact('failed', this.#trials.filter(t => t.failure).length || progress.failures),
        fact('best so far', best ? `${best.fitness.toFixed(3)} (trial ${best.trial ?? best.number})` : '…'),
        fact('its accuracy', scoreText(best?.score)),
        progress.seconds ? fact('time', duration(progress.seconds)) : null));
  }

  /** #winner shows what was found. */
  #winner(w, open) {
    const name = w.alias || w.model;
    return el('div', {class: 'card'},
      el('p', {class: 'row'}, el('h3', {class: 'grow'}, 'The winner'),
        name ? el('button', {type: 'button', class: 'main', onclick: () => this.#talkTo(name)}, 'Chat with it') : null),
      el('p', {class: 'note small'}, w.trial == null ? 'The mean of the final distribution' : `Trial ${w.trial}`,
        w.search ? `; search ${scoreText(w.search)}` : '', w.validation ? `, validation ${scoreText(w.validation)}` : '', w.test ? `, test ${scoreText(w.test)}` : '', '. Only the test score is unbiased.'),
      w.model ? el('p', {}, 'Served as ', el('code', {}, w.model), w.alias ? [' and as ', el('code', {}, w.alias)] : null) : null,
      recipeTable(w.recipe, this.#search.parameters ?? []),
      el('details', {open}, el('summary', {}, 'The recipe as JSON'), el('pre', {}, JSON.stringify(w.recipe, null, 2))));
  }

  async #cancel() {
    if (!confirm('Cancel this search for good? Its trials are kept.')) return;
    try {
      await request('POST', `/v1/searches/${encodeURIComponent(this.#search.id)}/cancel`);
      this.#changed();
    } catch (error) {
      alert(error.message);
    }
  }
}

/** scoreTable is the table of the paper: what each model scores on the test problems. */
function scoreTable(rows) {
  const most = Math.max(0.01, ...rows.filter(r => r.score).map(r => r.score.accuracy + r.score.stderr));
  const number = text => el('td', {class: 'number'}, text);
  const line = r => el('tr', {class: r.role === 'winner' ? 'winner' : ''},
    el('td', {}, r.name, r.role === r.name ? null : el('span', {class: 'note small'}, ` ${r.role}`), (r.failure ?? r.note) && el('div', {class: 'bad small'}, r.failure ?? r.note)),
    el('td', {class: 'bars'}, r.score && bar(r.score, most)), number(r.failure ? 'failed' : scoreText(r.score)),
    number(r.score ? percent(r.score.number_right) : ''), number(r.score ? percent(r.score.language_right) : ''));
  return el('div', {class: 'card'}, el('h3', {}, 'Scores on the test problems'),
    el('div', {class: 'scroll'}, el('table', {}, el('thead', {}, el('tr', {}, el('th', {}, 'Model'), el('th', {class: 'bars'}, ''), el('th', {class: 'number'}, 'Accuracy ± SE'),
      el('th', {class: 'number'}, 'Number'), el('th', {class: 'number'}, 'Language'))), el('tbody', {}, ...rows.map(line)))),
    el('p', {class: 'note small'}, `${rows.find(r => r.score)?.score.problems ?? '…'} problems, used once. ± is one standard error.`));
}
