function render({ model, el }) {
  el.className = "cachesim-progress";
  el.innerHTML = `<label><progress max="1"></progress> <span></span></label>`;
  el.querySelector("span").textContent = model.get("label");
  const bar = el.querySelector("progress");
  const show = () => {
    const share = model.get("share");
    el.style.visibility = share === null ? "hidden" : "visible";
    bar.value = share ?? 0;
  };
  model.on("change:share", show);
  show();
}

export default { render };
