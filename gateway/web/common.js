// What both pages use: the API with its errors, event streams, and a way to
// build elements that cannot inject anything, since text is only ever text.

const keyName = 'mergeway-api-key';

/** fill gives an element its attributes and children; null and false are none. */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter(c => c != null && c !== false && c !== '').map(c => c instanceof Node ? c : String(c)));
  return node;
}

/** el makes an element: el('p', {class: 'note'}, 'text', child). */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** svg makes an element of a drawing. */
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

/** apiKey is kept for this tab only. */
export const apiKey = {
  get: () => sessionStorage.getItem(keyName) ?? '',
  set: key => key ? sessionStorage.setItem(keyName, key) : sessionStorage.removeItem(keyName),
};

/** request calls the API and gives the response, or throws its error. */
export async function request(method, path, body, {signal, headers = {}} = {}) {
  const options = {method, signal, headers: {...headers}};
  if (apiKey.get()) options.headers.Authorization = `Bearer ${apiKey.get()}`;
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = typeof body === 'string' ? body : JSON.stringify(body);
  }
  const response = await fetch(path, options);
  if (response.ok) return response;
  const reply = await response.json().catch(() => null);
  throw Object.assign(new Error(reply?.error?.message ?? `${response.status} ${response.statusText}`), {status: response.status});
}

/** get calls the API and gives the reply's JSON. */
export const get = async path => (await request('GET', path)).json();

/**
 * events reads a stream of server-sent events from a response. EventSource
 * can neither post nor send a key.
 */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    buffer += value;
    for (let end; (end = buffer.indexOf('\n\n')) >= 0; buffer = buffer.slice(end + 2)) {
      const event = {id: '', event: 'message', data: ''};
      for (const line of buffer.slice(0, end).split('\n')) {
        if (line.startsWith('data: ')) event.data += line.slice(6);
        if (line.startsWith('event: ')) event.event = line.slice(7);
        if (line.startsWith('id: ')) event.id = line.slice(4);
      }
      if (event.data) yield event;
    }
  }
}

/** keyField lets people enter an API key where one is needed. */
export function keyField(onChange) {
  const input = el('input', {type: 'password', autocomplete: 'off', placeholder: 'none', id: 'key', size: 12});
  input.value = apiKey.get();
  input.addEventListener('change', () => { apiKey.set(input.value.trim()); onChange(); });
  return el('label', {class: 'key', for: 'key'}, 'API key ', input);
}
