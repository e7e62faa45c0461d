function render({ model, el }) {
  el.innerHTML = `<details class="cachesim-panel cachesim-listing">
    <summary data-lm-suppress-shortcuts="true"></summary>
    <pre tabindex="0" data-lm-suppress-shortcuts="true"></pre>
    <button type="button" data-lm-suppress-shortcuts="true">Copy</button>
  </details>`;
  const [summary, text, button] = el.firstElementChild.children;
  summary.textContent = model.get("summary");
  text.setAttribute("aria-label", model.get("summary"));
  const show = () => (text.textContent = model.get("text"));
  button.addEventListener("click", () => {
    getSelection().selectAllChildren(text); // where the clipboard is closed to pages, Ctrl+C is left to do
    navigator.clipboard?.writeText(model.get("text"));
  });
  model.on("change:text", show);
  show();
}

export default { render };
