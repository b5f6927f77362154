"use strict";
(() => {
  const TOP = 500; // scores are in hundredths of a star
  const BAR = 10; // hundredths in one bar of the histogram
  const TILES = 8; // photos on either side of the line
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("data").textContent);
  const slider = document.getElementById("threshold");
  if (!slider) return;
  const picker = document.getElementById("model");
  const models = data.models.map(prepare);

  // Entry h is how many counts lie below h hundredths; the last is all of them.
  function cumulate(pairs) {
    const below = new Float64Array(TOP + 2);
    for (let i = 0; i < pairs.length; i += 2) below[pairs[i] + 1] += pairs[i + 1];
    for (let h = 1; h < below.length; h++) below[h] += below[h - 1];
    return below;
  }

  function prepare(model) {
    const each = (groups) => Object.entries(groups).map(([name, pairs]) => [name, cumulate(pairs)]);
    let sum = 0;
    for (let i = 0; i < model.photos.length; i += 2) sum += model.photos[i] * model.photos[i + 1];
    const photos = cumulate(model.photos);
    return { name: model.name, photos, sellers: cumulate(model.sellers), days: each(model.days), reasons: each(model.reasons), mean: sum / all(photos) / 100 };
  }

  function all(below) { return below[TOP + 1]; }
  function share(part, whole) { return whole ? part / whole : 0; }
  function number(value) { return value.toLocaleString("en"); }
  function percent(value) { return (100 * value).toFixed(1) + "%"; }
  function words(code) { return code.replaceAll("_", " "); }

  function node(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function shape(tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function drawing(width, height, label, ...shapes) {
    const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    svg.append(...shapes);
    return svg;
  }

  // Bars over 0 to 5 stars; what lies below the line stands at the foot of its bar.
  function bars(model, line, width, height) {
    const counts = [];
    for (let h = 0; h < TOP; h += BAR) counts.push(model.photos[h + BAR === TOP ? TOP + 1 : h + BAR] - model.photos[h]);
    const most = Math.max(...counts, 1);
    const step = width / counts.length;
    return counts.flatMap((count, place) => {
      const from = place * BAR;
      const lower = Math.min(Math.max(model.photos[Math.min(Math.max(line, from), from + BAR)] - model.photos[from], 0), count);
      const tall = (height * count) / most;
      const low = (height * lower) / most;
      const box = { x: place * step + 1, width: step - 2 };
      return [
        shape("rect", { ...box, y: height - tall, height: tall - low, class: "upper" }),
        shape("rect", { ...box, y: height - low, height: low, class: "lower" }),
      ];
    });
  }

  function drawHistogram(model, line) {
    const [width, height] = [1000, 240];
    const x = (width * line) / TOP;
    const label = `Photos by score. ${percent(share(model.photos[line], all(model.photos)))} lie below ${(line / 100).toFixed(2)}.`;
    document.getElementById("histogram").replaceChildren(drawing(width, height, label,
      shape("line", { x1: 0, x2: width, y1: height, y2: height, class: "axis" }),
      ...bars(model, line, width, height),
      shape("line", { x1: x, x2: x, y1: -6, y2: height + 10, class: "line" })));
  }

  function tell(model, line) {
    const [photos, sellers] = [model.photos[line], model.sellers[line]];
    document.getElementById("answer").replaceChildren(
      "Below ", node("b", { id: "at" }, (line / 100).toFixed(2)), ": ",
      node("b", { id: "sellers" }, number(sellers)), sellers === 1 ? " seller" : " sellers", ` of ${number(all(model.sellers))} would be asked, for `,
      node("b", { id: "photos" }, number(photos)), photos === 1 ? " photo" : " photos", ` (${percent(share(photos, all(model.photos)))}).`);
    slider.setAttribute("aria-valuetext", `${(line / 100).toFixed(2)}: ${number(sellers)} sellers, ${number(photos)} photos`);
  }

  function tile(photo, name, asked) {
    const [score, stars] = [photo.scores[name], photo.stars[name]];
    const reasons = asked ? photo.reasons[name].map(words).join(", ") : "";
    const picture = photo.src
      ? node("img", { src: photo.src, alt: `Photo of ad ${photo.ad}`, loading: "lazy" })
      : node("span", {}, "no picture");
    const label = `${stars} of 5 stars, score ${score.toFixed(2)}`;
    return node("li", {},
      node("div", { class: "frame" }, picture, node("div", { class: "stars", role: "img", "aria-label": label },
        node("span", {}, "★".repeat(stars) + "☆".repeat(5 - stars)), node("b", {}, score.toFixed(2)))),
      node("span", { class: "ad", title: `${photo.ad} / ${photo.image}` }, photo.ad), reasons);
  }

  function showPhotos(model, line) {
    const known = data.photos.filter((photo) => model.name in photo.scores);
    const score = (photo) => Math.round(photo.scores[model.name] * 100);
    const below = known.filter((photo) => score(photo) < line).sort((a, b) => score(b) - score(a));
    const kept = known.filter((photo) => score(photo) >= line).sort((a, b) => score(a) - score(b));
    for (const [id, photos, asked] of [["below", below, true], ["kept", kept, false]]) {
      const tiles = photos.slice(0, TILES).map((photo) => tile(photo, model.name, asked));
      document.getElementById(id).replaceChildren(...(tiles.length ? tiles : [node("li", {}, "none here")]));
    }
  }

  function showReasons(model, line) {
    const below = model.photos[line];
    const rows = model.reasons.map(([code, counts]) => [code, share(counts[line], below)]).filter(([, part]) => part > 0);
    rows.sort((a, b) => b[1] - a[1]);
    const most = rows.length ? rows[0][1] : 1;
    document.getElementById("reasons").replaceChildren(...rows.map(([code, part]) => {
      const bar = node("div", { class: "bar" });
      bar.style.width = `${(100 * part) / most}%`;
      return node("li", { title: data.tips[code] || "" }, node("span", {}, words(code)), node("div", { "aria-hidden": "true" }, bar), node("span", { class: "value" }, percent(part)));
    }));
  }

  function showDays(model, line) {
    const [width, height] = [520, 300];
    const days = model.days.map(([day, counts]) => ({ day, total: all(counts), below: counts[line] }));
    const most = Math.max(...days.map((day) => day.total), 1);
    const top = Math.max(...days.map((day) => share(day.below, day.total)), 0.01);
    const step = width / days.length;
    const x = (place) => step * (place + 0.5);
    const y = (day) => height - (height - 70) * share(day.below, day.total) / top;
    const label = `Share below the line, ${days.length} days: first ${percent(share(days[0].below, days[0].total))}, last ${percent(share(days.at(-1).below, days.at(-1).total))}.`;
    document.getElementById("trend").replaceChildren(drawing(width, height + 28, label,
      ...days.map((day, place) => shape("rect", { x: step * place + step * 0.15, width: step * 0.7, y: height - (height - 130) * day.total / most, height: (height - 130) * day.total / most, class: "volume" })),
      shape("polyline", { points: days.map((day, place) => `${x(place)},${y(day)}`).join(" "), class: "curve" }),
      ...days.map((day, place) => shape("circle", { cx: x(place), cy: y(day), r: 3.5, class: "dot" })),
      shape("line", { x1: 0, x2: width, y1: height, y2: height, class: "axis" }),
      shape("text", { x: 0, y: 20 }, `at most ${percent(top)} below, ${number(most)} photos a day`),
      shape("text", { x: 0, y: height + 24 }, days[0].day),
      shape("text", { x: width, y: height + 24, "text-anchor": "end" }, days.at(-1).day)));
    document.querySelector("#days tbody").replaceChildren(...days.map((day) => node("tr", {},
      node("th", { scope: "row" }, day.day), ...[number(day.total), number(day.below), percent(share(day.below, day.total))].map((text) => node("td", { class: "number" }, text)))));
  }

  function compareModels(line) {
    for (const row of document.querySelectorAll("#models tbody tr")) {
      const model = models[Number(row.dataset.model)];
      const part = percent(share(model.photos[line], all(model.photos)));
      const spark = drawing(300, 40, `${part} below the line`, ...bars(model, line, 300, 40));
      spark.setAttribute("preserveAspectRatio", "none");
      row.querySelector(".spark").replaceChildren(spark);
      row.querySelector(".mean").textContent = model.mean.toFixed(2);
      row.querySelector(".share").textContent = part;
      row.querySelector(".sellers").textContent = number(model.sellers[line]);
    }
  }

  function show() {
    const line = Math.round(Number(slider.value) * 100);
    const model = models[Number(picker.value)];
    for (const part of [drawHistogram, tell, showPhotos, showReasons, showDays]) part(model, line);
    compareModels(line);
  }

  slider.addEventListener("input", show);
  picker.addEventListener("change", show);
  document.getElementById("reset").addEventListener("click", () => {
    slider.value = data.threshold;
    show();
  });
  show();
})();
