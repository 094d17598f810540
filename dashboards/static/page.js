// Brings a page that stands without it to life: charts, light and dark, forms that send themselves, live progress, history.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const saved = (key, value) => {
    try {
      if (value === undefined) return localStorage.getItem(key);
      return value === null ? localStorage.removeItem(key) : localStorage.setItem(key, value);
    } catch { return null; }
  };
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  if (saved("theme")) root.dataset.theme = saved("theme");

  // Colours of the figures, made for white paper, and what stands for them on dark.
  const NIGHT = Object.fromEntries(Object.entries(JSON.parse(root.dataset.night ?? "{}")).map(([day, dark]) => [day.toLowerCase(), dark]));
  const [INK, SOFT, LINE] = [NIGHT["#222222"], NIGHT["#666666"], NIGHT["#e8e8e8"]];
  const paper = () => getComputedStyle(root).getPropertyValue("--paper").trim();
  Object.assign(NIGHT, {"#222": INK, "black": NIGHT["#000000"], "#666": SOFT, "#dddddd": LINE});
  for (const white of ["white", "#ffffff", "#fff"]) Object.defineProperty(NIGHT, white, {get: paper});
  const darkened = value => {
    if (typeof value === "string") return NIGHT[value.toLowerCase()] ?? value;
    if (Array.isArray(value)) return value.map(darkened);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, k === "data" || k === "datasets" ? v : darkened(v)]));
    return value;
  };
  const NIGHT_TEXT = {
    legend: {labelColor: INK, titleColor: INK}, header: {labelColor: INK, titleColor: INK},
    axis: {labelColor: INK, titleColor: INK, domainColor: SOFT, tickColor: SOFT, gridColor: LINE},
    title: {color: INK, subtitleColor: SOFT}, view: {stroke: SOFT},
  };
  const atNight = spec => {
    const found = darkened(spec), config = {...found.config};
    for (const [part, colors] of Object.entries(NIGHT_TEXT)) config[part] = {...config[part], ...colors};
    return {...found, config};
  };
  // On a phone a title takes several lines, and the legend stands below the plot.
  const lines = (text, room) => typeof text !== "string" ? text : text.split(" ").reduce((all, word) => {
    const last = all.at(-1);
    return last !== undefined && (last + word).length * 8 < room ? [...all.slice(0, -1), `${last} ${word}`] : [...all, word];
  }, []);
  const narrowed = (spec, room) => {
    if (room > 460) return spec;
    const below = {...spec.config?.legend, orient: "bottom", columns: 2, labelLimit: 110, layout: {bottom: {direction: "vertical"}}};
    const whole = (text) => Array.isArray(text) ? text.join(" ") : text;
    const said = Array.isArray(spec.title) || typeof spec.title !== "object" ? {text: whole(spec.title)} : spec.title;
    const title = said && said.text && {...said, text: lines(whole(said.text), room), subtitle: lines(said.subtitle, room)};
    return {...spec, ...(title ? {title} : {}), config: {...spec.config, legend: below}};
  };
  const fitted = (spec, figure, plot) => {
    const room = Math.min(plot.clientWidth || 640, 860) - 8;
    const found = {...narrowed(spec, room), background: "transparent"};
    if (spec.facet || spec.hconcat || spec.vconcat || spec.concat) return found;
    if (figure.hasAttribute("data-tall")) return {...found, width: Math.max(140, room - 240), autosize: {type: "pad"}};
    return {...found, width: Math.max(240, room), height: room > 460 ? Math.max(240, Math.min(380, room * 0.62)) : 360, autosize: {type: "fit", contains: "padding"}};
  };
  const draw = async (figure, spec) => {
    const plot = figure.querySelector(".plot");
    figure.chart?.finalize?.();
    const shown = fitted(dark() ? atNight(spec) : spec, figure, plot);
    const options = {ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip: {disableDefaultStyle: true, theme: "plain"}};
    try {
      figure.chart = await vegaEmbed(plot, shown, options);
    } catch (error) {
      plot.textContent = `This figure cannot be drawn: ${error.message}`;
    }
    plot.removeAttribute("aria-busy");
    figure.dataset.drawn = String(Number(figure.dataset.drawn ?? 0) + 1);
  };
  const load = async figure => {
    if (figure.dataset.spec) return draw(figure, figure.spec ??= JSON.parse(figure.dataset.spec));
    const answer = await fetch(figure.dataset.chart);
    const found = await answer.json().catch(() => ({fault: `The server answered ${answer.status}.`}));
    const caption = figure.querySelector(".caption");
    if (found.fault) {
      const told = document.createElement("p");
      told.className = "fault";
      told.textContent = found.fault;
      figure.querySelector(".plot").replaceChildren(told);
      figure.querySelector(".plot").removeAttribute("aria-busy");
      return;
    }
    if (figure.stamp === found.stamp) return;
    figure.stamp = found.stamp;
    figure.spec = found.chart;
    if (caption) caption.textContent = found.caption;
    await draw(figure, found.chart);
  };
  const charts = () => [...document.querySelectorAll("figure.chart")];
  const redraw = () => charts().forEach(figure => figure.spec && draw(figure, figure.spec));
  addEventListener("load", () => charts().forEach(load));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.getElementById("theme")?.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    saved("theme", root.dataset.theme);
    redraw();
  });
  let width = innerWidth, resized;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(resized);
    resized = setTimeout(redraw, 200);
  });

  // Forms that only choose send themselves when something is chosen.
  for (const form of document.querySelectorAll("form[data-auto]")) {
    form.addEventListener("change", () => form.requestSubmit());
    form.addEventListener("submit", () => saved("scroll", `${location.pathname} ${scrollY}`));
    form.addEventListener("formdata", event => {
      for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
    });
  }
  const [path, place] = (saved("scroll") ?? "").split(" ");
  if (path === location.pathname) scrollTo(0, Number(place));
  saved("scroll", null);

  // Live: parts of the page are put in anew where the server says something else; what has the focus stays.
  const tell = text => { document.getElementById("told").textContent = text; };
  const swap = (old, fresh) => {
    if (!fresh || old.innerHTML === fresh.innerHTML || old.contains(document.activeElement)) return;
    const open = [...old.querySelectorAll("details")].map(d => d.open);
    old.replaceChildren(...fresh.childNodes);
    old.querySelectorAll("details").forEach((d, i) => { if (i in open) d.open = open[i]; });
  };
  const parsed = async address => {
    const answer = await fetch(address);
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  };
  const refresh = async () => {
    const fresh = await parsed(location.href);
    if (fresh) for (const part of document.querySelectorAll("[data-part]")) swap(part, fresh.getElementById(part.id));
    return fresh;
  };
  const every = (wait, act) => {
    const again = async () => {
      let next = wait;
      if (!document.hidden) {
        try { next = (await act()) ?? wait; } catch { next = 5000; }
      }
      setTimeout(again, next);
    };
    setTimeout(again, wait);
  };
  const main = document.querySelector("main[data-live]");
  if (main) every(Number(main.dataset.live), async () => {
    const before = states();
    const fresh = await refresh();
    for (const [name, state] of states()) if (before.has(name) && before.get(name) !== state) tell(`${name} is ${state}`);
    return Number(fresh?.querySelector("main")?.dataset.live ?? 5000);
  });
  function states() { return new Map([...document.querySelectorAll("[data-sweep]")].map(row => [row.dataset.sweep, row.dataset.state])); }
  const watch = document.querySelector("[data-watch]");
  if (watch) {
    let drawn = watch.querySelector("#standing").dataset.stamp, since = 0;
    every(1000, async () => {
      const fresh = await parsed(watch.dataset.watch);
      const now = fresh?.getElementById("standing"), old = watch.querySelector("#standing");
      if (!now) return 5000;
      if (old.dataset.state !== now.dataset.state) tell(`The sweep is ${now.dataset.state}`);
      const running = now.dataset.state === "running" || old.dataset.state === "running";
      const stamp = now.dataset.stamp, ended = now.dataset.state !== "running";
      old.replaceWith(now);
      if (stamp !== drawn && (ended || Date.now() - since > 4000)) {
        drawn = stamp;
        since = Date.now();
        await refresh();
        await Promise.all(charts().map(load));
      }
      return running ? 1000 : 4000;
    });
  }

  // SQL: what was asked is kept in this browser.
  const question = document.getElementById("q"), history = document.getElementById("history");
  if (question) {
    const form = document.getElementById("asking"), forget = document.getElementById("forget");
    let asked = [];
    try { asked = JSON.parse(saved("history") ?? "[]"); } catch { asked = []; }
    if (!Array.isArray(asked)) asked = [];
    const now = question.value.trim();
    if (now && document.getElementById("result")) {
      asked = [now, ...asked.filter(text => text !== now)].slice(0, 50);
      saved("history", JSON.stringify(asked));
    }
    for (const text of asked) {
      const link = document.createElement("a"), code = document.createElement("code"), item = document.createElement("li");
      link.href = `/sql?q=${encodeURIComponent(text)}`;
      code.textContent = text.length > 160 ? `${text.slice(0, 160)} …` : text;
      link.append(code);
      item.append(link);
      history.append(item);
    }
    document.getElementById("nohistory").hidden = asked.length > 0;
    forget.hidden = asked.length === 0;
    forget.addEventListener("click", () => { saved("history", null); history.replaceChildren(); forget.hidden = true; });
    question.addEventListener("keydown", event => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }
  addEventListener("keydown", event => {
    const find = document.getElementById("find") ?? question;
    if (event.key === "/" && find && !/INPUT|TEXTAREA|SELECT/.test(document.activeElement?.tagName)) {
      event.preventDefault();
      find.focus();
    }
  });
})();
