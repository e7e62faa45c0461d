function render({ model, el }) {
  const panel = document.createElement("div");
  panel.className = "cachesim-panel";
  if (model.get("role")) panel.setAttribute("role", model.get("role"));
  const show = () => (panel.innerHTML = model.get("html"));
  const wait = () => panel.setAttribute("aria-busy", model.get("busy"));
  model.on("change:html", show);
  model.on("change:busy", wait);
  show();
  wait();
  el.append(panel);
}

export default { render };
