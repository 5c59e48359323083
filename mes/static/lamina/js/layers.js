// One layer of a build at a time: a slider, the mask, and where it lies on the curve of areas.

for (const box of document.querySelectorAll("[data-layers]")) {
  const slider = box.querySelector("input[type=range]");
  const image = box.querySelector("img");
  const said = box.querySelector("[data-layer-said]");
  const mark = box.querySelector(".at");
  const areas = JSON.parse(document.getElementById(box.dataset.layers).textContent);
  slider.value = areas.indexOf(Math.max(...areas)) + 1; // begin where there is most to see
  let waiting = 0;
  const show = () => {
    const layer = Number(slider.value);
    const height = (layer * Number(box.dataset.layerHeight)).toFixed(2);
    said.textContent = `Layer ${layer} of ${areas.length}: ${areas[layer - 1].toFixed(1)} mm², top at ${height} mm`;
    const across = ((layer - 1) / Math.max(1, areas.length - 1)) * 1000;
    mark.setAttribute("x1", across);
    mark.setAttribute("x2", across);
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      image.src = box.dataset.url.replace("/0/", `/${layer}/`);
      image.alt = `Mask of layer ${layer}`;
    }, 120);
  };
  slider.addEventListener("input", show);
  show();
}
