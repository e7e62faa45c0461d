function render({ model, el }) {
  const image = document.createElement("img");
  image.className = "cachesim-picture";
  image.decoding = "sync"; // the old image stays until the new one can be painted: no flicker
  image.width = model.get("width");
  image.height = model.get("height");
  el.append(image);

  let address;
  const show = () => {
    const old = address;
    address = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    image.alt = model.get("alt");
    image.src = address;
    if (old) URL.revokeObjectURL(old);
  };
  model.on("change:png", show);
  model.on("change:alt", () => (image.alt = model.get("alt")));
  show();
  return () => URL.revokeObjectURL(address);
}

export default { render };
