"""Logging in and out. The password goes to the HTTP interface, which answers with the session cookie."""

from html import escape
from typing import Final
from urllib.parse import quote

from nicegui import ui

from api.console.frame import language_switch
from api.console.texts import Texts, marked

# Why the OpenID provider's answer opened nothing, by the code that the service sends along.
_REFUSED: Final = {
    "login.no_role": marked("Your account there gives you no role here: ask an administrator."),
    "login.no_area": marked("Your account there gives you no role here: ask an administrator."),
    "login.locked": marked("You are locked out: ask an administrator."),
    "login.name_taken": marked("Somebody else has your name here: ask an administrator."),
    "login.provider": marked("The login service does not answer: try again in a moment."),
}
_REFUSED_SOMEHOW: Final = marked("The login did not succeed: try again.")

# The listener stands on the document: a submit that comes before the form is drawn is none. Only paths of this console
# are followed after the log-in, never another site's address.
_SCRIPT = """
document.addEventListener('submit', async (event) => {
  if (event.target.id !== 'hb-login') return;
  event.preventDefault();
  const form = event.target, message = document.getElementById('hb-message');
  let answer;
  try {
    answer = await fetch('/api/v1/session', {
      method: 'POST', headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({name: form.name.value, password: form.password.value})});
  } catch (error) { message.textContent = form.dataset.away; return; }
  if (answer.ok) {
    const next = new URLSearchParams(location.search).get('next') || '/';
    location.href = /^\\/(?![\\/\\\\])/.test(next) ? next : '/';
  } else {
    message.textContent = answer.status === 429 ? form.dataset.later
      : answer.status >= 500 ? form.dataset.away : form.dataset.wrong;
    form.password.value = ''; form.password.focus();
  }
});
"""


def login_page(texts: Texts, *, provider: str | None = None, following: str = "/", refused: str = "") -> None:
    """A name, a password, a button; another one where an OpenID `provider` is configured."""
    ui.page_title(f"{texts('Log in')} · Heatbook")
    ui.query("html").props(f'lang="{"zh-CN" if texts.language == "zh" else "en"}"')
    words = {
        "about": texts("From the bytes on the wire to a bill that can be defended."),
        "name": texts("Name"),
        "password": texts("Password"),
        "enter": texts("Log in"),
        "wrong": texts("Name or password is wrong."),
        "later": texts("Too many tries: wait a quarter of an hour, or ask an administrator."),
        "away": texts("No connection to the service: try again in a moment."),
    }
    shown = {key: escape(text) for key, text in words.items()}
    message = escape(texts(_REFUSED.get(refused, _REFUSED_SOMEHOW))) if refused else ""
    other = ""
    if provider is not None:
        address = f"/api/v1/session/openid?next={quote(following, safe='')}"
        label = escape(texts("Log in with {provider}", provider=provider))
        other = f'<a class="hb-openid" href="{escape(address)}">{label}</a>'
    ui.html(
        f"""
        <main class="hb-login">
          <form id="hb-login" class="hb-card" data-wrong="{shown["wrong"]}" data-later="{shown["later"]}"
            data-away="{shown["away"]}">
            <h1 class="hb-title">Heatbook</h1>
            <div class="hb-subtitle">{shown["about"]}</div>
            <label>{shown["name"]}<input name="name" autocomplete="username" required autofocus></label>
            <label>{shown["password"]}
              <input name="password" type="password" autocomplete="current-password" required></label>
            <div id="hb-message" role="alert" class="hb-bad">{message}</div>
            <button type="submit">{shown["enter"]}</button>
            {other}
          </form>
        </main>
        """,
        sanitize=False,
    )
    with ui.element("div").classes("hb-login-language"):
        language_switch(texts)
    ui.add_head_html(f"<script>{_SCRIPT}</script>")
