package test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// trial is a page that does with the dashboard's chat what people do: it picks the
// model that sees, attaches a picture, takes one back, asks, and writes down what
// was sent.
const trial = `<!doctype html><meta charset="utf-8"><div id="chat"></div><pre id="log"></pre><script type="module">
import {Chat} from '/assets/chat.js';
const log = line => document.getElementById('log').append(line + '\n');
const until = async ready => { while (!ready()) await new Promise(done => setTimeout(done, 10)); };
window.fetch = async (path, options) => {
  log('sent ' + JSON.stringify(JSON.parse(options.body).messages));
  return new Response('data: {"choices":[{"delta":{"content":"red"},"finish_reason":null}]}\n\ndata: [DONE]\n\n');
};
const chat = new Chat(document.getElementById('chat'));
chat.offer([{id: 'blind', input_modalities: ['text']}, {id: 'seeing', input_modalities: ['text', 'image']}]);
const files = document.getElementById('chat-pictures');
const row = files.parentElement;
log('blind: hidden ' + row.hidden);
chat.talkTo('seeing');
log('seeing: hidden ' + row.hidden);
const data = new DataTransfer();
for (const name of ['one.png', 'two.png']) data.items.add(new File([name], name, {type: 'image/png'}));
data.items.add(new File(['x'], 'notes.txt', {type: 'text/plain'}));
files.files = data.files;
files.dispatchEvent(new Event('change'));
await until(() => row.querySelectorAll('img').length === 2);
row.querySelector('button').click();
log('attached ' + [...row.querySelectorAll('img')].map(i => i.alt));
document.querySelector('textarea').value = 'What is it?';
document.querySelector('form').requestSubmit();
await until(() => document.querySelector('.turn.assistant')?.textContent.includes('red'));
log('shown ' + document.querySelectorAll('.turn.user img').length + ', left ' + row.querySelectorAll('img').length);
</script>`

// People attach pictures to what they say to a model that sees.
func TestPeopleShowPicturesOnThePage(t *testing.T) {
	browser := chromium(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(trial)) })
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServer(http.Dir("../gateway/web"))))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	dom, log := browser(server.URL)
	for _, line := range []string{
		"blind: hidden true", "seeing: hidden false", "attached two.png", "shown 1, left 0",
		`sent [{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,dHdvLnBuZw=="}},{"type":"text","text":"What is it?"}]}]`,
	} {
		require.Contains(t, dom, line, log)
	}
	require.NotRegexp(t, regexp.MustCompile(`(?i)CONSOLE.*(error|failed|uncaught)`), log)
}
