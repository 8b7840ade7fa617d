// Between Gradio and the viewer: receives what the server sends, and mounts each view when it can be seen.
(() => {
  "use strict";

  const EMPTY = "Choose a photo, and what the network attends to appears here.";
  const WHY_NOT = {
    stages:
      "Coarse to fine shows the bottleneck attention modules of a BAM-ResNet, and {name} has none; choose a BAM model to see it.",
    position: "Position attention is a module of DANet, and {name} has none; choose a DANet model to see it.",
    channel: "Channel attention is a module of DANet, and {name} has none; choose a DANet model to see it.",
    compare: "Compare lays attention maps beside each other, and {name} has none.",
  };
  const views = new Map();
  const latest = { main: null, compare: null }; // what the server sent last; a tab that opens later starts from it

  const applies = {
    stages: (p) => p.stages.length > 0 || (p.maps.length > 0 && !p.position),
    position: (p) => Boolean(p.position),
    channel: (p) => Boolean(p.channel),
    compare: (p) => p.left.maps.length > 0,
  };

  // A way out of a view that does not apply: the first model on this machine that has it.
  function wayOut(view) {
    const select = document.querySelector("#page-model select");
    const option = select && [...select.options].find(({ dataset }) => (dataset.shows || "").split(" ").includes(view));
    if (!option) return [];
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Switch to ${option.textContent.split(" · ")[0]}`;
    button.addEventListener("click", () => {
      select.value = option.value;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    });
    return [button];
  }

  function message(element, text, more = []) {
    const box = document.createElement("div");
    box.className = "page-message";
    const paragraph = document.createElement("p");
    paragraph.textContent = text;
    const inner = document.createElement("div");
    inner.append(paragraph, ...more);
    box.append(inner);
    element.replaceChildren(box);
  }

  function whyNot(view, payload) {
    if (!payload) return EMPTY;
    const { name } = (payload.left || payload).model;
    return WHY_NOT[view].replace("{name}", () => name);
  }

  // A view draws only while it is on screen: a canvas in a hidden tab has no size.
  function draw(entry) {
    const { element, view, payload } = entry;
    if (!entry.dirty || element.offsetWidth === 0) return;
    entry.dirty = false;
    element.removeAttribute("aria-busy");
    if (!payload || !applies[view](payload)) {
      if (entry.handle) entry.handle.destroy();
      entry.handle = null;
      element.dataset.state = payload ? "not-applicable" : "empty";
      message(element, whyNot(view, payload), payload ? wayOut(view) : []);
      return;
    }
    element.dataset.state = "drawn";
    const kept = entry.handle && entry.model === modelName(payload);
    if (kept) {
      entry.handle.update(payload);
    } else {
      if (entry.handle) entry.handle.destroy();
      const host = document.createElement("div");
      element.replaceChildren(host);
      entry.handle = window.attnviz.mount(host, payload, { view, link: "page" });
      entry.model = modelName(payload);
    }
    element.dataset.drawn = String(Number(element.dataset.drawn || 0) + 1);
  }

  function modelName(payload) {
    const names = payload.left ? [payload.left, payload.right] : [payload];
    return names.map((side) => (side ? side.model.name : "")).join("|");
  }

  function attach(element, view) {
    const entry = { element, view, payload: view === "compare" ? compared() : latest.main, handle: null, model: "", dirty: true };
    views.set(view, entry);
    new ResizeObserver(() => draw(entry)).observe(element);
    draw(entry);
  }

  function show(view, payload) {
    const entry = views.get(view);
    if (!entry) return;
    entry.payload = payload;
    entry.dirty = true;
    draw(entry);
  }

  // The tab on screen may not apply to the new network: go to the first that does.
  function openFirstThatApplies(payload) {
    const order = ["stages", "position", "channel"];
    const visible = order.find((view) => views.has(view) && views.get(view).element.offsetWidth > 0);
    if (!visible || applies[visible](payload)) return;
    const wanted = order.find((view) => applies[view](payload));
    if (wanted) window.attnvizPage.open(wanted);
  }

  function receive(value) {
    const payload = value && value.model ? value : null;
    if (payload && latest.main && payload.id === latest.main.id) return;
    latest.main = payload;
    for (const view of ["stages", "position", "channel"]) show(view, payload);
    latest.compare = null; // it was beside another photo
    show("compare", compared());
    if (payload) openFirstThatApplies(payload);
  }

  // Before a second side was asked for: the maps of the one photo.
  function compared() {
    return latest.compare || (latest.main && { left: latest.main, right: null });
  }

  function receiveCompare(value) {
    latest.compare = value && value.left ? value : null;
    show("compare", compared());
  }

  function busy(isBusy, names = ["stages", "position", "channel"]) {
    for (const name of names) {
      const entry = views.get(name);
      if (!entry) continue;
      if (isBusy) entry.element.setAttribute("aria-busy", "true");
      else entry.element.removeAttribute("aria-busy");
    }
  }

  window.attnvizPage = { ...(window.attnvizPage || {}), attach, receive, receiveCompare, busy };
})();
