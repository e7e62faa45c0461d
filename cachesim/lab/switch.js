function render({ model, el }) {
  el.classList.add("cachesim-control");
  el.innerHTML = `<label><span></span><input type="checkbox" data-lm-suppress-shortcuts="true"></label>
    <span class="cachesim-value" aria-hidden="true"></span>`;
  const input = el.querySelector("input");
  el.querySelector("label span").textContent = model.get("label");

  const follow = () => {
    input.checked = model.get("value");
    el.querySelector(".cachesim-value").textContent = input.checked ? "on" : "off";
  };
  input.addEventListener("change", () => {
    model.set("value", input.checked);
    model.save_changes();
  });
  model.on("change:value", follow);
  follow();
}

export default { render };
