function render({ model, el }) {
  el.classList.add("cachesim-control");
  el.innerHTML = `<label><span></span><input type="range" data-lm-suppress-shortcuts="true"></label>
    <span class="cachesim-value" aria-hidden="true"></span>`;
  const input = el.querySelector("input");
  el.querySelector("label span").textContent = model.get("label");
  for (const name of ["min", "max", "step"]) input[name] = model.get(name);

  const show = () => {
    const value = `${Number(input.value)} ${model.get("unit")}`.trim();
    input.setAttribute("aria-valuetext", value);
    el.querySelector(".cachesim-value").textContent = value;
  };
  const follow = () => {
    input.value = model.get("value");
    show();
  };
  input.addEventListener("input", () => {
    show(); // at once; the picture follows
    model.set("value", Number(input.value));
    model.save_changes();
  });
  model.on("change:value", follow);
  follow();
}

export default { render };
