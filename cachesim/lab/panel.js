function render({ model, el }) {
  const panel = document.createElement("div");
  panel.className = "cachesim-panel";
  if (model.get("role")) panel.setAttribute("role", model.get("role"));
  const show = () => (panel.innerHTML = model.get("html"));
  model.on("change:html", show);
  show();
  el.append(panel);
}

export default { render };
