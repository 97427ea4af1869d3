// Forms of the field pages: each is sent once, whatever the connection does.
// A form is written down with its idempotency key before it is sent, and sent again until an answer came.
(() => {
  const STORE = 'heatbook-outbox';
  const load = () => JSON.parse(localStorage.getItem(STORE) || '[]');
  const save = (items) => localStorage.setItem(STORE, JSON.stringify(items));
  const words = () => JSON.parse(document.getElementById('hb-field-words')?.textContent || '{}');

  function say(key, text, tone) {
    const place = document.querySelector(`[data-outbox-state="${key}"]`) || document.getElementById('hb-outbox-state');
    if (!place) return;
    place.textContent = text;
    place.className = 'hb-' + tone;
  }

  async function send(item) {
    const answer = await fetch(item.action, {
      method: 'POST',
      headers: {'Content-Type': 'application/json', 'Idempotency-Key': item.key},
      body: JSON.stringify(item.body),
    });
    let content = {};
    try { content = await answer.json(); } catch (error) { /* an empty answer is one too */ }
    return {ok: answer.ok, status: answer.status, content};
  }

  async function flush() {
    for (const item of load()) {
      let result;
      try { result = await send(item); } catch (error) { say(item.form, words().waiting, 'warn'); return; }
      if (result.status >= 500) { say(item.form, words().waiting, 'warn'); return; }
      save(load().filter((one) => one.key !== item.key));
      report(item, result);
    }
  }

  function report(item, result) {
    const checks = result.content.checks || [];
    const told = checks.map((check) => (check.level === 'block' ? '⛔ ' : '⚠ ') + check.message).join('\n');
    if (result.ok && result.content.accepted !== false) { say(item.form, words().done + (told ? '\n' + told : ''), 'good'); return; }
    const warnings = checks.length > 0 && checks.every((check) => check.level !== 'block');
    say(item.form, told || result.content.detail || result.content.title || words().refused, warnings ? 'warn' : 'bad');
    const confirm = document.querySelector(`form[data-form="${item.form}"] [name="confirmed"]`);
    if (warnings && confirm) confirm.closest('label').hidden = false;
  }

  function bodyOf(form) {
    const body = {};
    for (const field of form.querySelectorAll('[name]')) {
      if (field.type === 'file') continue;
      const value = field.type === 'checkbox' ? field.checked : field.value.trim();
      if (value === '' || value === false) continue;
      body[field.name] = field.dataset.type === 'int' ? parseInt(value, 10)
        : field.type === 'datetime-local' ? value + ':00' + field.dataset.offset : value;
    }
    return body;
  }

  async function photoOf(form) {
    const field = form.querySelector('input[type="file"]');
    if (!field || !field.files.length) return null;
    const answer = await fetch('/api/v1/field/photos', {method: 'POST', body: field.files[0]});
    if (!answer.ok) throw new Error(words().photo);
    return (await answer.json()).reference;
  }

  document.addEventListener('submit', async (event) => {
    const form = event.target;
    if (!form.matches('form[data-outbox]')) return;
    event.preventDefault();
    const body = bodyOf(form);
    try {
      const photo = await photoOf(form);
      if (photo) body.photo = photo;
    } catch (error) { say(form.dataset.form, words().photo, 'warn'); }
    // Another body is another piece of work and gets another key.
    const key = crypto.randomUUID ? crypto.randomUUID() : String(Date.now()) + Math.random().toString(16).slice(2);
    save([...load(), {key, form: form.dataset.form, action: form.dataset.outbox, body}]);
    say(form.dataset.form, words().sending, 'muted');
    flush();
  });

  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-scan]');
    if (!button) return;
    const target = document.getElementById(button.dataset.scan);
    if (!('BarcodeDetector' in window) || !navigator.mediaDevices) { target.focus(); say('scan', words().type, 'muted'); return; }
    const video = document.createElement('video');
    video.className = 'hb-scan';
    video.setAttribute('playsinline', '');
    button.after(video);
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
      video.srcObject = stream;
      await video.play();
      const detector = new BarcodeDetector();
      for (let tries = 0; tries < 300; tries += 1) {
        const found = await detector.detect(video);
        if (found.length) { target.value = found[0].rawValue.trim(); break; }
        await new Promise((next) => setTimeout(next, 100));
      }
    } catch (error) { target.focus(); } finally {
      if (stream) stream.getTracks().forEach((track) => track.stop());
      video.remove();
    }
  });

  window.addEventListener('online', flush);
  window.addEventListener('load', flush);
  setInterval(flush, 15000);
})();
