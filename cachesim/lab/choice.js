function render({ model, el }) {
  el.classList.add("cachesim-control");
  el.innerHTML = `<label><span></span><select data-lm-suppress-shortcuts="true"></select></label>`;
  const select = el.querySelector("select");
  el.querySelector("label span").textContent = model.get("label");
  select.append(...model.get("names").map((name) => new Option(name)));

  const follow = () => (select.value = model.get("value"));
  select.addEventListener("change", () => {
    model.set("value", select.value);
    model.save_changes();
  });
  model.on("change:value", follow);
  follow();
}

export default { render };
