"""Logging in and out. The password goes to the HTTP interface, which answers with the session cookie."""

from html import escape

from nicegui import ui

from api.console.texts import Texts

# Only paths of this console are followed after the log-in, never another site's address.
_SCRIPT = """
document.getElementById('hb-login').addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target, message = document.getElementById('hb-message');
  const answer = await fetch('/api/v1/session', {
    method: 'POST', headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({name: form.name.value, password: form.password.value})});
  if (answer.ok) {
    const next = new URLSearchParams(location.search).get('next') || '/';
    location.href = /^\\/(?![\\/\\\\])/.test(next) ? next : '/';
  } else {
    message.textContent = answer.status === 429 ? form.dataset.later : form.dataset.wrong;
    form.password.value = ''; form.password.focus();
  }
});
"""


def login_page(texts: Texts) -> None:
    """A name, a password, a button."""
    ui.page_title(f"{texts('Log in')} · Heatbook")
    ui.query("html").props(f'lang="{"zh-CN" if texts.language == "zh" else "en"}"')
    words = {
        "about": texts("From the bytes on the wire to a bill that can be defended."),
        "name": texts("Name"),
        "password": texts("Password"),
        "enter": texts("Log in"),
        "wrong": texts("Name or password is wrong."),
        "later": texts("Too many tries: wait a minute."),
    }
    shown = {key: escape(text) for key, text in words.items()}
    ui.html(
        f"""
        <main class="hb-login">
          <form id="hb-login" class="hb-card" data-wrong="{shown["wrong"]}" data-later="{shown["later"]}">
            <h1 class="hb-title">Heatbook</h1>
            <div class="hb-subtitle">{shown["about"]}</div>
            <label>{shown["name"]}<input name="name" autocomplete="username" required autofocus></label>
            <label>{shown["password"]}
              <input name="password" type="password" autocomplete="current-password" required></label>
            <div id="hb-message" role="alert" class="hb-bad"></div>
            <button type="submit">{shown["enter"]}</button>
          </form>
        </main>
        """,
        sanitize=False,
    )
    script = f"<script>window.addEventListener('load', () => setTimeout(() => {{ {_SCRIPT} }}, 150));</script>"
    ui.add_body_html(script)
