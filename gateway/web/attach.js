// Pictures that go with a message: chosen, pasted, shown small, taken back.

import {el} from './common.js';

/** read gives a file as a data URI. */
const read = file => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.addEventListener('load', () => done(reader.result));
  reader.addEventListener('error', () => failed(reader.error));
  reader.readAsDataURL(file);
});

/** Attachments are the pictures of the message that is being written. */
export class Attachments {
  #pictures = []; // {name, uri}
  #input = el('input', {type: 'file', id: 'chat-pictures', accept: 'image/png,image/jpeg,image/webp,image/gif', multiple: true, onchange: () => this.#choose()});
  #list = el('span', {class: 'pictures'});
  #say;
  node = el('p', {class: 'row', hidden: true}, el('label', {for: 'chat-pictures'}, 'Pictures'), this.#input, this.#list);

  /** say tells people what went wrong. */
  constructor(say) { this.#say = say; }

  /** offer shows the control, or takes it and what was attached away. */
  offer(sees) {
    this.node.hidden = !sees;
    if (!sees) this.take();
  }

  async #choose() {
    await this.add([...this.#input.files]);
    this.#input.value = '';
  }

  /** add attaches files, as far as they are pictures. */
  async add(files) {
    if (this.node.hidden) return;
    for (const file of files.filter(f => f.type.startsWith('image/'))) {
      try {
        this.#pictures.push({name: file.name, uri: await read(file)});
      } catch (error) {
        this.#say(`${file.name}: ${error.message}`);
      }
    }
    this.#draw();
  }

  /** put attaches what was taken before. */
  put(pictures) {
    this.#pictures = pictures;
    this.#draw();
  }

  /** take gives the pictures and begins anew. */
  take() {
    const taken = this.#pictures;
    this.put([]);
    return taken;
  }

  #draw() {
    this.#list.replaceChildren(...this.#pictures.map(p => el('button', {
      type: 'button', class: 'link', title: `Take ${p.name} back`, 'aria-label': `Take ${p.name} back`,
      onclick: () => this.put(this.#pictures.filter(other => other !== p)),
    }, thumbnail(p))));
  }
}

/** thumbnail shows a picture small. */
export const thumbnail = p => el('img', {src: p.uri, alt: p.name, class: 'thumbnail'});

/** content is a message's: text, or parts with pictures before it. */
export const content = (text, pictures) => pictures.length
  ? [...pictures.map(p => ({type: 'image_url', image_url: {url: p.uri}})), ...(text ? [{type: 'text', text}] : [])]
  : text;
