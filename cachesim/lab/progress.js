function render({ model, el }) {
  el.classList.add("cachesim-progress");
  el.innerHTML = `<label><progress max="1"></progress> <span></span></label>`;
  const label = el.firstElementChild;
  label.querySelector("span").textContent = model.get("label");
  const show = () => {
    const share = model.get("share");
    label.style.visibility = share === null ? "hidden" : "visible";
    label.querySelector("progress").value = share ?? 0;
  };
  model.on("change:share", show);
  show();
}

export default { render };
