// Channel attention: the matrix, the channels with most effect, and what comes out of one of them.

import { createAppearance } from "./appearance.js";
import { createChannelGates } from "./channel_gates.js";
import { el } from "./dom.js";
import { paintMap } from "./draw.js";
import { number, range } from "./format.js";
import { t } from "./language.js";
import { createMatrix } from "./matrix.js";
import { createBar, createPicture } from "./picture.js";
import { predictionList } from "./predictions.js";
import { scaleFor } from "./scale.js";
import { createThumbs } from "./thumbs.js";
import { gammaSentence } from "./wording.js";

const SCALINGS = [
  { value: "each", label: t`Each`, title: t`Each channel's own range` },
  { value: "shared", label: t`Shared`, title: t`One range for all channels shown: brightness can be compared` },
];

/** The view; returns its root. */
export function channelView(context) {
  const { data } = context;
  const root = el("div", { class: "av-view av-view--channel" });
  if (data.channel) root.append(...attention(context));
  if (data.channelGates.length) root.append(createChannelGates(context));
  const says = ["stages", "position"].some((view) => data.views.includes(view)) ? null : predictionList(data);
  if (says) root.append(says);
  return root;
}

/** Attention between channels: controls, sentences, and the two halves. */
function attention(context) {
  const { data, settings, signal } = context;
  const { channel } = data;
  const output = createOutput(context);
  const ranking = createRanking(context, (c) => choose(c));
  const matrix = createMatrix(context, channel, (c) => choose(c));
  function choose(c) {
    output.choose(c);
    ranking.choose(c);
    matrix.show(c);
  }
  const paint = () => {
    matrix.paint();
    ranking.paint();
    output.paint();
  };
  settings.subscribe((name) => ["colormap", "scaling"].includes(name) && paint(), signal);
  choose([...channel.outputs.keys()][0]);
  paint();
  return [
    createAppearance(context, SCALINGS),
    el("p", { class: "av-gamma" }, gammaSentence(channel.gamma, t`channel attention`)),
    ...data.positions.map(({ title, gamma }) => el("p", { class: "av-gamma" }, t`${title} has γ = ${number(gamma)}.`)),
    el("div", { class: "av-halves" }, matrix.root, el("div", { class: "av-halves__second" }, output.root, ranking.root)),
  ];
}

function scaleOf(context, map) {
  const peers = [...context.data.channel.outputs.values()].map((o) => o.extent);
  return scaleFor(map.extent, peers, null, context.settings.get("scaling") === "shared" ? "shared" : "each");
}

/** The output of one channel over the photo. */
function createOutput(context) {
  const { data, settings, colormaps } = context;
  const picture = createPicture(data.view, t`The photo with the output of one channel over it`);
  picture.root.classList.add("av-picture--large");
  const canvas = picture.layer();
  const bar = createBar();
  const heading = el("h2", { class: "av-heading" });
  const note = el("p", { class: "av-meta", "aria-live": "polite" });
  let chosen = 0;
  const paint = () => {
    const map = data.channel.outputs.get(chosen);
    canvas.hidden = !map;
    bar.root.hidden = !map;
    heading.textContent = t`Output of channel #${chosen}`;
    const effect = t`Mean change by the module ${number(data.channel.effect[chosen])}.`;
    if (!map) {
      note.textContent = t`${effect} Its map is not here: only the ${data.channel.outputs.size} channels with most effect were sent.`;
      return;
    }
    const table = colormaps.get(settings.get("colormap")).table;
    const scale = scaleOf(context, map);
    paintMap(canvas, map.values, map.grid, scale, table);
    bar.paint(scale, table, "");
    note.textContent = t`${effect} Raw range ${range(map.extent.low, map.extent.high, "activation")}.`;
  };
  return {
    root: el("section", { class: "av-output", "aria-label": t`Output of the chosen channel` }, heading, picture.root, bar.root, note),
    paint,
    choose(channel) {
      chosen = channel;
      paint();
    },
  };
}

/** The channels with most effect, strongest first; each a button with its output as a small picture. */
function createRanking(context, onPick) {
  const { data, settings, colormaps, signal } = context;
  const { channel } = data;
  const most = Math.max(...channel.effect, Number.MIN_VALUE);
  const maps = [...channel.outputs.values()];
  const items = maps.map((map) => {
    const fill = el("span", { class: "av-ranking__fill" });
    fill.style.width = `${(100 * channel.effect[map.channel]) / most}%`;
    return {
      texts: [el("b", {}, `#${map.channel}`), el("span", {}, number(channel.effect[map.channel]))],
      after: el("span", { class: "av-ranking__track", "aria-hidden": "true" }, fill),
    };
  });
  const title = t`The ${items.length} of ${channel.count} channels with most effect`;
  const thumbs = createThumbs({ photo: data.view, items, label: title, onChoose: (index) => onPick(maps[index].channel), signal });
  return {
    root: el("section", { class: "av-channels", "aria-label": title },
      el("header", { class: "av-stage__header" }, el("h2", { class: "av-heading" }, title),
        el("p", { class: "av-meta" }, t`Effect: mean absolute change the module makes to a channel. Choose one to see its output.`)),
      thumbs.root),
    paint() {
      const table = colormaps.get(settings.get("colormap")).table;
      thumbs.draw((index, canvas) => paintMap(canvas, maps[index].values, maps[index].grid, scaleOf(context, maps[index]), table));
    },
    choose(chosen) {
      thumbs.choose(maps.findIndex((map) => map.channel === chosen));
    },
  };
}
