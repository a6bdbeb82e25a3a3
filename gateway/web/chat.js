// A conversation with one of the models, streamed.

import {Attachments, content, thumbnail} from './attach.js';
import {el, events, request} from './common.js';

/** Chat is the box with the model picker, the turns and the form. */
export class Chat {
  #messages = [];
  #abort = null;
  #picker = el('select', {id: 'chat-model', class: 'grow', onchange: () => this.#pick()});
  #seeing = new Set(); // the models that read pictures
  #temperature = el('input', {id: 'chat-temperature', type: 'number', min: 0, max: 2, step: 0.1, value: 0});
  #talk = el('div', {class: 'talk', 'aria-live': 'polite'});
  #text = el('textarea', {rows: 2, 'aria-label': 'Message', placeholder: 'Message; Enter sends, Shift+Enter starts a new line'});
  #send = el('button', {type: 'submit', class: 'main'}, 'Send');
  #stop = el('button', {type: 'button', hidden: true, onclick: () => this.#abort?.abort()}, 'Stop');
  #clear = el('button', {type: 'button', onclick: () => this.clear()}, 'New conversation');
  #note = el('p', {class: 'note small', role: 'status'});
  #attachments = new Attachments(text => { this.#note.textContent = text; });

  constructor(place) {
    const form = el('form', {},
      el('p', {class: 'row'}, el('label', {for: 'chat-model'}, 'Model'), this.#picker,
        el('label', {for: 'chat-temperature'}, 'Temperature'), this.#temperature),
      this.#talk, this.#text, this.#attachments.node, el('p', {class: 'row'}, this.#send, this.#stop, this.#clear), this.#note);
    form.addEventListener('submit', event => { event.preventDefault(); this.#ask(); });
    this.#text.addEventListener('keydown', event => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return; // Enter also ends the input of Japanese
      event.preventDefault();
      form.requestSubmit();
    });
    this.#text.addEventListener('paste', event => this.#attachments.add([...event.clipboardData.files]));
    place.replaceChildren(form);
    this.clear();
  }

  /** offer fills the picker; the choice stays. */
  offer(models) {
    const ids = models.map(m => m.id);
    this.#seeing = new Set(models.filter(m => m.input_modalities?.includes('image')).map(m => m.id));
    if (ids.join('\n') !== [...this.#picker.options].map(o => o.value).join('\n')) {
      const before = this.#picker.value;
      this.#picker.replaceChildren(...models.map(m => el('option', {value: m.id}, m.name ? `${m.name} (${m.id})` : m.id)));
      if (ids.includes(before)) this.#picker.value = before;
    }
    this.#pick();
  }

  /** #pick offers pictures to models that see. */
  #pick() { this.#attachments.offer(this.#seeing.has(this.#picker.value)); }

  /** talkTo picks a model and goes to the box. */
  talkTo(model) {
    this.#picker.value = model;
    this.#pick();
    this.#text.scrollIntoView({block: 'center'});
    this.#text.focus();
  }

  /** clear begins a new conversation. */
  clear() {
    this.#abort?.abort();
    this.#messages = [];
    this.#talk.replaceChildren();
    this.#note.textContent = '';
  }

  /** #turn adds one turn and gives the node of its text. */
  #turn(role, who, text, pictures = []) {
    const node = el('span', {}, text);
    this.#talk.append(el('div', {class: `turn ${role}`}, el('span', {class: 'who'}, who), pictures.map(thumbnail), node));
    this.#talk.scrollTop = this.#talk.scrollHeight;
    return node;
  }

  async #ask() {
    const text = this.#text.value.trim();
    if (this.#abort) return;
    const pictures = this.#attachments.take();
    if (!text && !pictures.length) return;
    const model = this.#picker.value;
    const messages = this.#messages;
    messages.push({role: 'user', content: content(text, pictures)});
    this.#turn('user', 'you', text, pictures);
    this.#text.value = '';
    const answer = this.#turn('assistant', model, '');
    this.#abort = new AbortController();
    this.#send.disabled = true;
    this.#stop.hidden = false;
    this.#note.className = 'note small';
    this.#note.textContent = 'Waiting for the model …';
    try {
      await this.#read(model, messages, answer, this.#abort.signal);
    } catch (error) {
      if (messages === this.#messages) {
        this.#note.textContent = error.name === 'AbortError' ? 'Stopped.' : error.message;
        if (error.name !== 'AbortError') this.#note.className = 'bad small';
      }
    }
    // A turn without an answer would come twice in a row; templates refuse that.
    if (answer.textContent) messages.push({role: 'assistant', content: answer.textContent});
    else this.#takeBack(messages, text, pictures, answer);
    this.#abort = null;
    this.#send.disabled = false;
    this.#stop.hidden = true;
  }

  /** #takeBack lets people send a message again that got no answer. */
  #takeBack(messages, text, pictures, answer) {
    messages.pop();
    answer.parentElement.previousElementSibling?.remove();
    answer.parentElement.remove();
    if (messages !== this.#messages) return;
    this.#text.value ||= text;
    if (!this.#attachments.node.hidden) this.#attachments.put(pictures);
  }

  /** #read sends the conversation and shows the reply as it comes. */
  async #read(model, messages, answer, signal) {
    const body = {model, messages, stream: true, stream_options: {include_usage: true}, temperature: Number(this.#temperature.value)};
    const response = await request('POST', '/v1/chat/completions', body, {signal});
    let reason = '';
    for await (const event of events(response)) {
      if (event.data === '[DONE]') return;
      const chunk = JSON.parse(event.data);
      if (chunk.error) throw new Error(chunk.error.message);
      const choice = chunk.choices[0];
      if (choice?.delta.content) {
        this.#note.textContent = '';
        answer.append(choice.delta.content);
        this.#talk.scrollTop = this.#talk.scrollHeight;
      }
      reason = choice?.finish_reason ?? reason;
      if (chunk.usage) {
        this.#note.textContent = `${chunk.usage.prompt_tokens} + ${chunk.usage.completion_tokens} tokens${reason === 'length' ? '; cut off at the limit' : ''}`;
      }
    }
    throw new Error('The connection ended before the reply did.');
  }
}
