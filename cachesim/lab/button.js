function render({ model, el }) {
  el.classList.add("cachesim-control");
  el.innerHTML = `<button type="button" data-lm-suppress-shortcuts="true"></button>`;
  const button = el.querySelector("button");
  button.textContent = model.get("label");
  button.addEventListener("click", () => {
    model.set("value", model.get("value") + 1);
    model.save_changes();
  });
}

export default { render };
