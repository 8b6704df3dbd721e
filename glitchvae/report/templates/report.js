// The filters of the map: they choose rows of Bokeh's source `glitches`.
"use strict";
(function () {
  const panel = document.getElementById("filters");
  if (!panel) return;

  function model(name) {
    for (const doc of Bokeh.documents) {
      const found = doc.get_model_by_name(name);
      if (found) return found;
    }
    return null;
  }

  function whenDrawn(then) {
    if (window.Bokeh && Bokeh.documents.length && model("glitches")) then();
    else setTimeout(() => whenDrawn(then), 50);
  }

  const checked = (name) =>
    new Set([...panel.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value));
  const number = (id, otherwise) => {
    const field = document.getElementById(id);
    const value = field ? parseFloat(field.value) : NaN;
    return Number.isNaN(value) ? otherwise : value;
  };
  const day = (time) => new Date(time).toISOString().slice(0, 16).replace("T", " ");

  whenDrawn(() => {
    const source = model("glitches"), names = model("names"), shown = model("shown");
    const data = source.data, total = data.snr.length;
    const times = Array.from(data.milliseconds).filter(Number.isFinite);
    const first = times.reduce((a, b) => Math.min(a, b), Infinity);
    const last = times.reduce((a, b) => Math.max(a, b), -Infinity);
    const from = document.getElementById("from"), to = document.getElementById("to");

    // A slider counts thousandths of the whole span.
    const at = (slider, up) => (slider ? first + ((last - first) * slider.value) / 1000 : up);

    function choose() {
      const groups = checked("group"), ifos = checked("ifo");
      const low = number("snr-low", -Infinity), high = number("snr-high", Infinity);
      const [start, end] = [at(from, -Infinity), at(to, Infinity)].sort((a, b) => a - b);
      const whole = !from || (from.value === "0" && to.value === "1000");
      const open = low === -Infinity && high === Infinity;
      const indices = [];
      for (let i = 0; i < total; i++) {
        const time = data.milliseconds[i], snr = data.snr[i];
        if (!groups.has(String(data.group_number[i])) || !ifos.has(data.ifo[i])) continue;
        if (!open && Number.isFinite(snr) && (snr < low || snr > high)) continue;
        if (!whole && !(time >= start - 1 && time <= end + 1)) continue;
        indices.push(i);
      }
      shown.indices = indices;
      document.getElementById("shown-count").textContent =
        `${indices.length.toLocaleString("en")} of ${total.toLocaleString("en")} points shown`;
      if (from) document.getElementById("span").textContent = `${day(start)} to ${day(end)} UTC`;
    }

    function turn(method) {
      for (const one of [source, names]) {
        one.data = { ...one.data, x: one.data[`${method}_x`], y: one.data[`${method}_y`] };
      }
    }

    panel.addEventListener("input", (event) => {
      if (event.target.name === "method") turn(event.target.value);
      else choose();
    });
    panel.addEventListener("click", (event) => {
      const which = event.target.dataset.choose;
      if (!which) return;
      for (const box of panel.querySelectorAll('input[name="group"]')) {
        box.checked = which === "all" || box.dataset.kind === which;
      }
      choose();
    });
    choose();
  });

  // On a phone the filters start folded, so that the map is followed by the next section.
  const fold = panel.querySelector("details");
  if (fold && window.matchMedia("(max-width: 1000px)").matches) fold.open = false;
})();
