// Forms of the field pages: each is sent once, whatever the connection does.
// A form is written down with its idempotency key and its photos before it is sent, and sent again until an answer came.
// A photo that has arrived is not sent again, however often the connection breaks between two of them.
(() => {
  const STORE = 'heatbook-outbox', PHOTO_PIXELS = 1400;
  const load = () => JSON.parse(localStorage.getItem(STORE) || '[]');
  const words = () => JSON.parse(document.getElementById('hb-field-words')?.textContent || '{}');
  let sending = false;

  function save(items) {
    localStorage.setItem(STORE, JSON.stringify(items));
    const place = document.getElementById('hb-outbox-count');
    if (place) place.textContent = items.length ? (words().queued || '').replace('{n}', items.length) : '';
  }

  function say(key, text, tone) {
    const place = document.querySelector(`[data-outbox-state="${key}"]`);
    if (!place) return;
    place.textContent = text;
    place.className = 'hb-' + tone;
  }

  // A refusal in the reader's words: the table comes with the page, empty for English.
  function told(message, code) {
    for (const one of words().refusals || []) {
      const found = new RegExp('^' + one.pattern).exec(message || '');
      if (!found) continue;
      return one.text.replace(/\{(\w+)\}/g, (all, name) => {
        const value = (found.groups || {})[name];
        return value === undefined ? all : (words().words || {})[value] || value;
      });
    }
    return (words().codes || {})[code] || message;
  }

  const ofChecks = (checks) => checks.map((check) => (check.level === 'block' ? '⛔ ' : '⚠ ') + told(check.message, check.code)).join('\n');

  async function send(item) {
    while (item.photos.length) {
      const {shows, data} = item.photos[0];
      const kept = await fetch('/api/v1/field/photos', {method: 'POST', body: await (await fetch(data)).blob()});
      if (kept.status >= 500) return {ok: false, status: kept.status, content: {}};
      if (!kept.ok) say(item.form, words().photo, 'warn');
      else if (shows) (item.body.photos ||= []).push({shows, reference: (await kept.json()).reference});
      else item.body.photo = (await kept.json()).reference;
      item.photos.shift();
      save(load().map((one) => (one.key === item.key ? item : one)));
    }
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
    if (sending) return;
    sending = true;
    try {
      for (const item of load()) {
        let result;
        try { result = await send(item); } catch (error) { say(item.form, words().waiting, 'warn'); return; }
        if (result.status >= 500) { say(item.form, words().waiting, 'warn'); return; }
        save(load().filter((one) => one.key !== item.key));
        report(item, result);
      }
    } finally { sending = false; }
  }

  function report(item, result) {
    const checks = result.content.checks || [];
    const form = document.querySelector(`form[data-form="${item.form}"]`);
    if (result.ok && result.content.accepted !== false) {
      say(item.form, [words().done, ofChecks(checks)].filter(Boolean).join('\n'), 'good');
      if (form && form.dataset.next) {
        const link = document.createElement('a');
        link.className = 'hb-link';
        link.href = form.dataset.next + encodeURIComponent(item.body[form.dataset.nextField] || '');
        link.textContent = form.dataset.nextText;
        document.querySelector(`[data-outbox-state="${item.form}"]`)?.append('\n', link);
      }
      return;
    }
    const text = ofChecks(checks) || told(result.content.detail, result.content.code) || result.content.title || words().refused;
    const warnings = checks.length > 0 && checks.every((check) => check.level !== 'block');
    say(item.form, text, warnings ? 'warn' : 'bad');
    if (form && warnings) offer(form);
    if (form && result.content.field) form.querySelector(`[name="${result.content.field}"]`)?.focus();
  }

  function offer(form) {
    const confirm = form.querySelector('[name="confirmed"]');
    if (confirm) confirm.closest('label').hidden = false;
  }

  function bodyOf(form) {
    const body = {};
    for (const field of form.querySelectorAll('[name]')) {
      if (field.type === 'file') continue;
      const value = field.type === 'checkbox' ? field.checked : field.value.trim();
      if (value === '' || value === false) continue;
      body[field.name] = field.dataset.type === 'int' ? parseInt(value, 10)
        : field.type === 'datetime-local' ? value + '[' + field.dataset.zone + ']' : value;
    }
    return body;
  }

  // Photos as small as they can still be read, so that they wait in the browser and pass a weak line.
  async function photosOf(form) {
    const photos = [];
    for (const field of form.querySelectorAll('input[type="file"]')) {
      for (const file of field.files) photos.push({shows: field.dataset.shows, data: await smallPhoto(file)});
    }
    return photos;
  }

  async function smallPhoto(file) {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, PHOTO_PIXELS / Math.max(image.width, image.height));
    const canvas = document.createElement('canvas');
    canvas.width = Math.round(image.width * scale);
    canvas.height = Math.round(image.height * scale);
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL('image/jpeg', 0.75);
  }

  document.addEventListener('submit', async (event) => {
    const form = event.target;
    if (!form.matches('form[data-outbox]')) return;
    event.preventDefault();
    // Another body is another piece of work and gets another key.
    const key = crypto.randomUUID ? crypto.randomUUID() : String(Date.now()) + Math.random().toString(16).slice(2);
    const item = {key, form: form.dataset.form, action: form.dataset.outbox, body: bodyOf(form), photos: []};
    say(item.form, words().sending, 'muted');
    try { item.photos = await photosOf(form); } catch (error) { say(item.form, words().photo, 'warn'); }
    try { save([...load(), item]); } catch (error) { item.photos = []; save([...load(), item]); say(item.form, words().photo, 'warn'); }
    flush();
  });

  // What speaks against a display is told when it was typed, not after it was sent.
  document.addEventListener('change', async (event) => {
    const form = event.target.closest('form[data-check]');
    if (!form || event.target.type === 'file' || event.target.name === 'confirmed' || !form.display.value.trim()) return;
    try {
      const answer = await fetch(form.dataset.check, {
        method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(bodyOf(form)),
      });
      const content = await answer.json();
      const checks = content.checks || [];
      if (!answer.ok) { say(form.dataset.form, told(content.detail, content.code), 'bad'); return; }
      const blocked = checks.some((check) => check.level === 'block');
      say(form.dataset.form, ofChecks(checks), blocked ? 'bad' : 'warn');
      if (checks.length && !blocked) offer(form);
    } catch (error) { /* without a connection the check comes with the answer */ }
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
    } catch (error) { target.focus(); say('scan', words().type, 'muted'); } finally {
      if (stream) stream.getTracks().forEach((track) => track.stop());
      video.remove();
    }
  });

  const start = () => { save(load()); flush(); };
  window.addEventListener('online', flush);
  window.addEventListener('load', start);
  setInterval(flush, 15000);
})();
