// Lists of events, enlarged pictures with axes, and the filters of the plots.
"use strict";
const glitchvae = (function () {
  const table = JSON.parse(document.getElementById("events").textContent);
  const text = (value, digits, unit) => (value === null ? ""
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }) + (unit || ""));

  // ---- one event -------------------------------------------------------------------------
  const gps = (n) => (table.milliseconds[n] === null ? NaN : table.base + table.milliseconds[n] / 1000);
  const ifo = (n) => table.names[table.ifo[n]];
  const id = (n) => table.id[n] || `${ifo(n)}-${gps(n).toFixed(4)}`;

  function utc(n) {
    if (table.milliseconds[n] === null) return "time unknown";
    const time = gps(n);
    let ahead = 0;
    for (const [since, seconds] of table.leaps) if (time >= since) ahead = seconds;
    const date = new Date((table.base + 315964800 - ahead) * 1000 + table.milliseconds[n]);
    return date.toISOString().slice(0, 19).replace("T", " ");
  }

  // As `Link.of` makes it: whatever stands in a field is encoded.
  function link(n) {
    if (!table.link || table.milliseconds[n] === null) return "";
    const fields = {
      gps: gps(n).toFixed(3), ifo: ifo(n), event_id: id(n), date: utc(n).slice(0, 10).replaceAll("-", ""),
    };
    return table.link.replace(/\{\{|\}\}|\{(\w+)\}/g, (whole, name) =>
      name ? encodeURIComponent(fields[name]).replace(/[!'()*]/g,
        (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase()) : whole[0]);
  }

  const caption = (n) => [
    ifo(n), Number.isNaN(gps(n)) ? "" : `GPS ${gps(n).toFixed(3)}`,
    Number.isNaN(gps(n)) ? utc(n) : `${utc(n)} UTC`,
    table.snr[n] === null ? "" : `SNR ${text(table.snr[n], 1)}`,
  ].filter(Boolean).join(" · ");

  const groupOf = new Map();
  table.groups.forEach((group) => group.rows.forEach((n) => groupOf.set(n, group.name)));

  const named = (n) => {
    const label = table.names[table.label[n]];
    const name = table.names[table.nearest[n]];
    const p = table.probability[n] === null ? "" : ` (${text(table.probability[n], 2)})`;
    return `named ${name || "nothing"}${p}${label ? `, label ${label}` : ""}`;
  };

  // What Bokeh's tooltips ask for; Bokeh escapes it.
  function tell(n, what) {
    switch (what) {
      case "group": return groupOf.get(n) || "";
      case "when": return `${ifo(n)} · ${utc(n)}${Number.isNaN(gps(n)) ? "" : " UTC"}`;
      case "gps": return Number.isNaN(gps(n)) ? "" : `GPS ${gps(n).toFixed(3)}`;
      case "named": return named(n);
      default: return [
        table.snr[n] === null ? "" : `SNR ${text(table.snr[n], 1)}`,
        text(table.frequency[n], 0, " Hz"),
        table.novelty[n] === null ? "" : `novelty_p ${table.novelty[n]}`,
      ].filter(Boolean).join(" · ");
    }
  }

  // ---- lists -----------------------------------------------------------------------------
  const columns = [
    ["UTC", (n) => utc(n), (n) => gps(n)],
    ["GPS", (n) => (Number.isNaN(gps(n)) ? "" : gps(n).toFixed(3)), (n) => gps(n)],
    ["ifo", (n) => ifo(n), (n) => ifo(n)],
    ["SNR", (n) => text(table.snr[n], 1), (n) => table.snr[n]],
    ["Hz", (n) => text(table.frequency[n], 0), (n) => table.frequency[n]],
    ["s", (n) => text(table.duration[n], 2), (n) => table.duration[n]],
    ["named", (n) => table.names[table.nearest[n]], (n) => table.names[table.nearest[n]]],
    ["p", (n) => text(table.probability[n], 2), (n) => table.probability[n]],
    ["novelty_p", (n) => (table.novelty[n] === null ? "" : String(table.novelty[n])), (n) => table.novelty[n]],
  ];
  const labelled = table.label.some((n) => table.names[n]);
  if (labelled) columns.push(["label", (n) => table.names[table.label[n]], (n) => table.names[table.label[n]]]);
  const right = new Set(["GPS", "SNR", "Hz", "s", "p", "novelty_p"]);

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties || {});
    made.append(...children);
    return made;
  }

  function list(group, into) {
    const rows = [...table.groups[group].rows];
    const body = element("tbody");
    const fill = () => {
      body.replaceChildren(...rows.map((n) => {
        const line = element("tr", {}, ...columns.map(([name, show]) =>
          element("td", { className: right.has(name) ? "n" : "nowrap" }, show(n) || "")));
        if (table.link) {
          const to = link(n);
          line.append(element("td", {}, to ? element("a", { href: to, target: "_blank", rel: "noopener noreferrer" }, "open") : ""));
        }
        return line;
      }));
    };
    let last = "", up = true;
    const heads = columns.map(([name, , key]) => {
      const button = element("button", { type: "button", title: "sort by this column" }, name);
      button.addEventListener("click", () => {
        up = last === name ? !up : !right.has(name) || name === "GPS";
        last = name;
        const missing = up ? Infinity : -Infinity;
        const value = (n) => { const v = key(n); return v === null || Number.isNaN(v) ? missing : v; };
        rows.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (up ? 1 : -1));
        fill();
      });
      return element("th", { className: right.has(name) ? "n" : "" }, button);
    });
    if (table.link) heads.push(element("th"));
    fill();
    into.replaceChildren(element("table", { className: "tight list" }, element("thead", {}, element("tr", {}, ...heads)), body));
  }

  for (const one of document.querySelectorAll("details.events")) {
    one.addEventListener("toggle", () => {
      const into = one.lastElementChild;
      if (one.open && !into.firstChild) list(Number(one.dataset.group), into);
    });
  }

  // ---- pictures with axes ----------------------------------------------------------------
  const LAYOUTS = {  // width and height of all, of a view, and steps between views
    strip: { all: [692, 140], view: [170, 140], at: (k) => [174 * k, 0] },
    montage: { all: [172, 142], view: [85, 70], at: (k) => [87 * (k % 2), 72 * (k >> 1)] },
  };
  const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
  const SVG = "http://www.w3.org/2000/svg";
  let gradients = 0;

  function svg(name, attributes, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // The four views of a picture, as wide as the page lets them be, with their axes.
  function axes(source, layout, width) {
    const shape = LAYOUTS[layout], across = width < 460 ? 2 : 4, down = 4 / across;
    const left = 40, bar = 48, top = 22, bottom = 30, gap = 8;
    const w = (width - left - bar - gap * (across - 1)) / across, h = (w * 140) / 170;
    const height = down * (top + h + bottom);
    const [low, high] = table.octaves;
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "axes", role: "img" });
    const write = (x, y, words, anchor) =>
      drawn.append(svg("text", { x, y, "text-anchor": anchor || "middle" }, words));
    const line = (x1, y1, x2, y2) => drawn.append(svg("line", { x1, y1, x2, y2 }));
    table.views.forEach((seconds, k) => {
      const column = k % across, x = left + column * (w + gap);
      const y = top + Math.floor(k / across) * (top + h + bottom);
      const [from, above] = shape.at(k);
      const inside = svg("svg", {
        x, y, width: w, height: h, preserveAspectRatio: "none",
        viewBox: `${from} ${above} ${shape.view[0]} ${shape.view[1]}`,
      }, svg("image", { href: source, width: shape.all[0], height: shape.all[1], preserveAspectRatio: "none" }));
      drawn.append(inside, svg("rect", { x, y, width: w, height: h, class: "frame" }));
      write(x + w / 2, y - 5, `${seconds} s`);
      for (const share of [-0.4, 0, 0.4]) {
        const at = x + w * (share + 0.5);
        line(at, y + h, at, y + h + 4);
        write(at, y + h + 14, String(Math.round(share * seconds * 100) / 100).replace("-", "−"));
      }
      for (const f of [16, 64, 256, 1024]) {
        const at = y + h * (1 - (Math.log2(f) - low) / (high - low));
        line(x - 4, at, x, at);
        if (column === 0) write(x - 6, at + 3.5, String(f), "end");
      }
      if (column === 0) {
        drawn.append(svg("text", { transform: `translate(9 ${y + h / 2}) rotate(-90)`, "text-anchor": "middle" }, "Hz"));
      }
      if (k >= 4 - across) write(x + w / 2, y + h + 26, "time (s)");
    });
    const name = `viridis-${gradients++}`, x = width - bar + 12;
    const stops = VIRIDIS.map((colour, n) => svg("stop", { offset: n / 8, "stop-color": colour }));
    drawn.append(svg("linearGradient", { id: name, x1: 0, x2: 0, y1: 1, y2: 0 }, ...stops));
    drawn.append(svg("rect", { x, y: top, width: 9, height: h, fill: `url(#${name})` }));
    for (const energy of [0, 10, 20, table.ceiling]) {
      const at = top + h * (1 - energy / table.ceiling);
      line(x + 9, at, x + 12, at);
      write(x + 14, at + 3.5, String(energy), "start");
    }
    write(width, 9, "energy", "end");
    return drawn;
  }

  // Around the pictures of figures at once; the others when they are enlarged.
  function frame(figure) {
    const picture = figure.querySelector("img.glitch");
    if (!picture) return;
    const width = Math.max(figure.clientWidth, 260);
    if (figure.drawnAt === width) return;
    figure.drawnAt = width;
    const drawn = axes(picture.src, picture.dataset.layout, width);
    drawn.setAttribute("aria-label", picture.alt);
    figure.querySelector("svg.axes")?.remove();
    picture.hidden = true;
    picture.before(drawn);
  }
  const figures = [...document.querySelectorAll("figure.axes")];
  const resized = new ResizeObserver((changes) => changes.forEach((one) => frame(one.target)));
  figures.forEach((figure) => resized.observe(figure));

  const dialog = document.getElementById("enlarged");
  function enlarge(source, layout, words, to) {
    const inside = dialog.querySelector(".inside");
    dialog.showModal();
    const width = Math.max(Math.min(inside.clientWidth, 900), 260);
    const said = element("p", {}, words);
    if (to) said.append(" · ", element("a", { href: to, target: "_blank", rel: "noopener noreferrer" }, "open"));
    inside.replaceChildren(source ? axes(source, layout, Math.min(width, 540)) : element("p", { className: "faint" }, "The page holds no picture of it."), said);
  }
  document.addEventListener("click", (event) => {
    const picture = event.target.closest("img.glitch");
    if (picture) enlarge(picture.src, picture.dataset.layout, picture.alt, picture.dataset.link);
    else if (event.target === dialog) dialog.close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("img.glitch")) event.target.click();
  });

  // ---- plots -----------------------------------------------------------------------------
  function model(name) {
    for (const doc of window.Bokeh ? Bokeh.documents : []) {
      const found = doc.get_model_by_name(name);
      if (found) return found;
    }
    return null;
  }

  function whenDrawn(then) {
    if (model("glitches")) then();
    else setTimeout(() => whenDrawn(then), 50);
  }

  const panel = document.getElementById("filters");
  const checked = (name) =>
    new Set([...panel.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value));
  const number = (name, otherwise) => {
    const field = document.getElementById(name);
    const value = field ? parseFloat(field.value) : NaN;
    return Number.isNaN(value) ? otherwise : value;
  };
  const day = (time) => new Date(time).toISOString().slice(0, 16).replace("T", " ");

  function filter() {
    const source = model("glitches"), names = model("names"), shown = model("shown");
    const data = source.data, total = data.row.length;
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
        if (!groups.has(String(data.group_number[i])) || !ifos.has(ifo(data.row[i]))) continue;
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

    // A click on a point enlarges its picture.
    source.selected.properties.indices.change.connect(() => {
      const [point] = source.selected.indices;
      if (point === undefined) return;
      const n = data.row[point];
      source.selected.indices = [];
      enlarge(source.data.picture[point], "montage", `${groupOf.get(n) || ""} · ${caption(n)} · ${named(n)}`, link(n));
    });
  }

  if (panel) {
    whenDrawn(filter);
    // On a phone the filters start folded, so that the map is followed by the next section.
    const fold = panel.querySelector("details");
    if (fold && window.matchMedia("(max-width: 1000px)").matches) fold.open = false;
  }

  return { tell };
})();
