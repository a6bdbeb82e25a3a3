// Draws openapi.json: every operation with its parameters, its body and its
// replies, and a form to try it.

import {el, keyField, request} from './common.js';

const methods = ['get', 'post', 'put', 'delete', 'patch'];
const deepest = 6; // levels of nested objects that are drawn

let api; // the document

/** resolve follows a reference to its schema. */
function resolve(schema) {
  let seen = 0;
  while (schema?.$ref && seen++ < 20) schema = schema.$ref.slice(2).split('/').reduce((node, key) => node?.[key], api);
  if (schema?.allOf?.length === 1) return {...resolve(schema.allOf[0]), ...schema, allOf: undefined};
  return schema ?? {};
}

/** typeName says what a schema accepts, in a few words. */
function typeName(schema) {
  const s = resolve(schema);
  if (s.oneOf) return [...s.oneOf.map(typeName), ...(s.nullable ? ['null'] : [])].join(', or ');
  let name = s.type === 'array' ? `list of ${typeName(s.items)}` : s.type ?? 'any';
  if (s.enum) name = s.enum.map(v => JSON.stringify(v)).join(' | ');
  if (s.minimum != null || s.maximum != null) name += ` ${s.minimum ?? '…'} to ${s.maximum ?? '…'}`;
  return s.nullable ? `${name}, or null` : name;
}

/** fields draws the members of an object, and those of objects in it. */
function fields(schema, depth = 0) {
  let s = resolve(schema);
  while (s.type === 'array') s = resolve(s.items);
  if (!s.properties || depth > deepest) return null;
  const required = new Set(s.required ?? []);
  const list = el('dl', {class: 'fields'});
  const names = Object.keys(s.properties).sort((a, b) => required.has(b) - required.has(a));
  for (const name of names) {
    const property = s.properties[name];
    list.append(
      el('dt', {}, name, ' ', el('span', {class: 'note'}, typeName(property), required.has(name) ? ', required' : '')),
      el('dd', {}, resolve(property).description ?? '', fields(property, depth + 1)),
    );
  }
  return list;
}

/** sample makes a value that shows the required fields of a schema. */
function sample(schema, depth = 0) {
  const s = resolve(schema);
  if (s.example !== undefined) return s.example;
  if (s.enum) return s.enum[0];
  switch (s.type) {
    case 'object': {
      const out = {};
      for (const name of s.required ?? (depth ? Object.keys(s.properties ?? {}) : [])) {
        if (s.properties?.[name] && depth < deepest) out[name] = sample(s.properties[name], depth + 1);
      }
      return out;
    }
    case 'array': return [sample(s.items, depth + 1)];
    case 'integer': case 'number': return s.minimum ?? 0;
    case 'boolean': return false;
    default: return '';
  }
}

/** examplesOf gives the bodies that an operation is shown with, by name. */
function examplesOf(content) {
  const named = Object.entries(content.examples ?? {}).map(([name, e]) => [name, e.value]);
  return (named.length ? named : [['', sample(content.schema)]]).map(([name, body]) => [name, JSON.stringify(body, null, 2)]);
}

/** bodyField is where a body is written, begun with an example of one's choice. */
function bodyField(content) {
  const examples = examplesOf(content);
  const text = el('textarea', {rows: 10, spellcheck: 'false', 'aria-label': 'Request body'}, examples[0][1]);
  if (examples.length < 2) return {text, choice: null};
  const choice = el('select', {'aria-label': 'Example'}, ...examples.map(([name], i) => el('option', {value: i}, name)));
  choice.addEventListener('change', () => { text.value = examples[choice.value][1]; });
  return {text, choice};
}

/** tryOut is the form that sends a request. */
function tryOut(method, path, operation) {
  const inputs = (operation.parameters ?? []).map(p => resolve(p)).map(p => ({
    ...p, input: el('input', {id: `${operation.operationId}-${p.name}`, required: p.required, autocomplete: 'off'}),
  }));
  const content = operation.requestBody?.content?.['application/json'];
  const {text: body, choice} = content ? bodyField(content) : {};
  const output = el('pre', {'aria-live': 'polite'});
  const status = el('p', {class: 'note', role: 'status'});
  const stop = el('button', {type: 'button', hidden: true}, 'Stop');
  const send = el('button', {type: 'submit', class: 'main'}, 'Send');
  const form = el('form', {},
    ...inputs.map(p => el('p', {class: 'row'}, el('label', {for: p.input.id}, p.name), p.input)),
    choice && el('p', {class: 'row'}, 'Example', choice), body, el('p', {class: 'row'}, send, stop), status, output);
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    stop.hidden = false;
    send.disabled = true;
    output.textContent = '';
    status.textContent = 'Waiting …';
    status.className = 'note';
    try {
      await sendRequest(method, path, inputs, body?.value, abort.signal, status, output);
    } catch (error) {
      status.textContent = error.status ? `${error.status}: ${error.message}` : error.message;
      status.className = 'bad';
    }
    stop.hidden = true;
    send.disabled = false;
  });
  return form;
}

/** sendRequest fills in the path, sends, and shows the reply as it comes. */
async function sendRequest(method, path, inputs, body, signal, status, output) {
  const query = new URLSearchParams();
  const headers = {};
  let url = path;
  for (const {name, in: place, input} of inputs) {
    if (input.value === '') continue;
    if (place === 'path') url = url.replace(`{${name}}`, input.value.split('/').map(encodeURIComponent).join('/'));
    if (place === 'query') query.set(name, input.value);
    if (place === 'header') headers[name] = input.value;
  }
  if (query.size) url += `?${query}`;
  const response = await request(method.toUpperCase(), url, body, {signal, headers});
  status.textContent = `${response.status} ${response.headers.get('Content-Type') ?? ''}`;
  status.className = 'good';
  if (response.headers.get('Content-Type')?.includes('json')) {
    output.textContent = JSON.stringify(await response.json(), null, 2);
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    output.append(value);
  }
}

/** drawOperation is one entry of the reference. */
function drawOperation(method, path, operation) {
  const box = el('div', {});
  if (operation.description) box.append(el('p', {}, operation.description));
  const parameters = (operation.parameters ?? []).map(p => resolve(p));
  if (parameters.length) {
    box.append(el('h4', {}, 'Parameters'), el('dl', {class: 'fields'}, ...parameters.flatMap(p => [
      el('dt', {}, p.name, ' ', el('span', {class: 'note'}, `${typeName(p.schema)}, in the ${p.in}${p.required ? ', required' : ''}`)),
      el('dd', {}, p.description ?? ''),
    ])));
  }
  const schema = operation.requestBody?.content?.['application/json']?.schema;
  if (schema) box.append(el('h4', {}, 'Body'), fields(schema) ?? el('p', {class: 'note'}, typeName(schema)));
  box.append(el('h4', {}, 'Replies'));
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const content = response.content?.['application/json']?.schema;
    box.append(el('details', {}, el('summary', {}, el('code', {}, status), ' ', response.description ?? ''),
      (content && fields(content)) ?? el('p', {class: 'note'}, Object.keys(response.content ?? {}).join(', '))));
  }
  box.append(el('h4', {}, 'Try it'), tryOut(method, path, operation));
  return el('details', {class: 'operation', id: operation.operationId},
    el('summary', {}, el('span', {class: `method ${method}`}, method.toUpperCase()), el('code', {}, path), '  ', operation.summary ?? ''), box);
}

/** draw fills the page. */
function draw() {
  const main = document.getElementById('main');
  main.replaceChildren(el('p', {}, api.info.description), el('p', {class: 'note'}, `OpenAPI ${api.openapi}`));
  for (const tag of api.tags ?? []) {
    main.append(el('h2', {id: tag.name}, tag.name), el('p', {class: 'note'}, tag.description ?? ''));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of methods) {
        if (item[method]?.tags?.includes(tag.name)) main.append(drawOperation(method, path, item[method]));
      }
    }
  }
  goToHash();
}

/** goToHash opens the operation that the address names. */
function goToHash() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target) { target.open = true; target.scrollIntoView(); }
}

addEventListener('hashchange', goToHash);
document.getElementById('key-place').append(keyField(() => {}));
try {
  api = await (await request('GET', '/openapi.json')).json();
  draw();
} catch (error) {
  const status = document.getElementById('status');
  status.textContent = `The document could not be read: ${error.message}`;
  status.className = 'bad';
}
