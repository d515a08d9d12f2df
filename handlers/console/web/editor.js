// An editor for expressions in place of every <textarea data-expr>. It writes
// through to the text area, so that forms and htmx see what they always saw.
// It lives in a shadow root: its styles are constructed there, which a policy
// without inline styles allows.
import {EditorView, keymap, placeholder, drawSelection} from "@codemirror/view";
import {EditorState, StateEffect} from "@codemirror/state";
import {defaultKeymap, history, historyKeymap} from "@codemirror/commands";
import {autocompletion, completionKeymap, closeBrackets, closeBracketsKeymap} from "@codemirror/autocomplete";
import {linter, lintKeymap} from "@codemirror/lint";
import {StreamLanguage, syntaxHighlighting, HighlightStyle, bracketMatching} from "@codemirror/language";
import {tags} from "@lezer/highlight";

let words;
const vocabulary = () => words ??= fetch((document.body.dataset.base||"")+"/rules/words").then(r => r.ok ? r.json() : []);

async function complete(context) {
  // A text that a field is compared with: the values that it can have, or has had.
  const value = context.matchBefore(/\w+\s*(?:==|!=|startsWith|contains|endsWith)\s*"[^"]*/);
  if (value) {
    const [, field, typed] = /^(\w+)[^"]*"([^"]*)$/.exec(value.text);
    const known = (await vocabulary()).find(w => w.label === field);
    if (!known?.values) return null;
    return {from: context.pos - typed.length, options: known.values.map(v => ({label: v, type: "text"})), validFor: /^[^"]*$/};
  }
  const before = context.matchBefore(/[\w.]+/);
  if (!before && !context.explicit) return null;
  const options = await vocabulary();
  return {from: before ? before.from : context.pos, options, validFor: /^[\w.]*$/};
}

const expression = StreamLanguage.define({
  token(s) {
    if (s.eatSpace()) return null;
    if (s.match(/"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?/)) return "string";
    if (s.match(/\d+(\.\d+)?/)) return "number";
    if (s.match(/\b(and|or|not|in|contains|startsWith|endsWith|matches|true|false|nil)\b/)) return "keyword";
    if (s.match(/[A-Za-z_]\w*(?=\()/)) return "function";
    if (s.match(/[A-Za-z_]\w*/)) return "name";
    s.next();
    return "operator";
  },
  tokenTable: {function: tags.function(tags.variableName), name: tags.variableName},
});

const colours = HighlightStyle.define([
  {tag: tags.string, color: "var(--good-text)"},
  {tag: tags.number, color: "var(--link)"},
  {tag: tags.keyword, color: "var(--fair-text)"},
  {tag: tags.function(tags.variableName), color: "var(--link)"},
]);

const look = EditorView.theme({
  "&": {borderRadius: "6px", font: "var(--mono-size)/1.5 var(--mono)", color: "var(--text)", backgroundColor: "var(--field)"},
  "&.cm-focused": {outline: "2px solid var(--link)", outlineOffset: "1px"},
  ".cm-scroller": {font: "inherit"},
  ".cm-content": {caretColor: "var(--text)", padding: "6px 0"},
  ".cm-cursor": {borderLeftColor: "var(--text)"},
  ".cm-placeholder": {color: "var(--quiet)"},
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": {backgroundColor: "var(--selected) !important"},
  ".cm-tooltip": {backgroundColor: "var(--panel)", color: "var(--text)", border: "1px solid var(--line)"},
  ".cm-tooltip-autocomplete ul li[aria-selected]": {backgroundColor: "var(--selected)", color: "var(--text)"},
  ".cm-lintRange-error, .cm-lintRange-warning": {backgroundImage: "none", textDecoration: "underline wavy var(--bad)", textUnderlineOffset: "3px"},
  ".cm-completionDetail": {color: "var(--quiet)", fontStyle: "normal"},
});

// recheck asks for a check that the server had no time for.
const recheck = StateEffect.define();
const wantsCheck = update => update.transactions.some(t => t.effects.some(e => e.is(recheck)));

// check asks the server what is wrong with an expression and shows it where it is.
const check = area => async view => {
  const text = view.state.doc.toString();
  const report = area.dataset.report && document.getElementById(area.dataset.report);
  if (!text.trim()) { if (report) report.textContent = ""; return []; }
  const body = new URLSearchParams({expr: text});
  const call = area.dataset.call && document.getElementById(area.dataset.call);
  if (call) body.set("call", call.value);
  const over = area.dataset.over && document.getElementById(area.dataset.over);
  if (over) body.set("over", over.value);
  const answer = await fetch((document.body.dataset.base||"")+"/rules/check", {method: "POST", body}).catch(() => null);
  if (!answer || !answer.ok) {
    if (report) report.textContent = answer && answer.status === 429 ? "Not checked yet: the server is busy." : "Not checked: the server gives no answer.";
    setTimeout(() => view.dispatch({effects: recheck.of(null)}), 3000);
    return [];
  }
  const problems = await answer.json();
  if (report) report.textContent = problems.map(p => `${p.line}:${p.column} ${p.message}${p.hint ? " — " + p.hint : ""}`).join("\n");
  const doc = view.state.doc;
  return problems.map(p => {
    const line = doc.line(Math.min(Math.max(p.line, 1), doc.lines));
    const from = Math.min(line.from + Math.max(p.column - 1, 0), line.to);
    const word = /^\w+/.exec(doc.sliceString(from, line.to));
    return {from, to: Math.min(from + (word ? word[0].length : 1), line.to), severity: p.severity, message: p.message + (p.hint ? "\n" + p.hint : "")};
  });
};

function edit(area) {
  const host = document.createElement("div");
  host.className = "editor";
  area.after(host);
  area.hidden = true;
  const root = host.attachShadow({mode: "open"});
  const single = area.hasAttribute("data-single");
  const label = document.querySelector(`label[for="${area.id}"]`);
  const submit = () => { area.form.requestSubmit(); return true; };
  const view = new EditorView({
    root, parent: root,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        keymap.of([...completionKeymap, ...(single ? [{key: "Enter", run: submit}] : []), {key: "Mod-Enter", run: submit},
          ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
        single ? EditorState.transactionFilter.of(t => t.newDoc.lines > 1 ? [] : t) : [],
        history(), drawSelection(), closeBrackets(), bracketMatching(), expression, syntaxHighlighting(colours), look,
        autocompletion({override: [complete]}), linter(check(area), {delay: 300, needsRefresh: wantsCheck}), placeholder(area.placeholder),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({"aria-label": label ? label.textContent : "expression"}),
        EditorView.updateListener.of(u => {
          if (!u.docChanged) return;
          area.value = u.state.doc.toString();
          area.dispatchEvent(new Event("input", {bubbles: true}));
        }),
      ],
    }),
  });
  if (label) label.addEventListener("click", () => view.focus());
  area.editor = view;
}

document.querySelectorAll("textarea[data-expr]").forEach(edit);
