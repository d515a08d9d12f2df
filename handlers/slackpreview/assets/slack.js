// Sends a click on a message of the fake Slack. What it changes
// comes back with the page's stream.
'use strict';

async function press(control, option) {
  const said = document.getElementById('slack-said');
  const body = { message: control.closest('[data-ts]').dataset.ts, action: control.dataset.action, option };
  control.disabled = true;
  let trouble = '';
  try {
    const answer = await fetch('/console/press', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
    });
    if (!answer.ok) trouble = (await answer.json()).detail || answer.statusText;
  } catch {
    trouble = 'callwatch cannot be reached.';
  }
  control.disabled = false;
  if (control.tagName === 'SELECT') control.value = '';
  said.textContent = trouble;
  said.hidden = trouble === '';
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-action]');
  if (button) press(button, 0);
});
document.addEventListener('change', (event) => {
  const menu = event.target.closest('select[data-action]');
  if (menu && menu.value !== '') press(menu, Number(menu.value));
});
