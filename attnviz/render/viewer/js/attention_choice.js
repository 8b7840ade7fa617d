// Which attention the position view shows: the layer, and of several heads the mean or one alone.

import { chooser } from "./controls.js";
import { el } from "./dom.js";
import { t } from "./language.js";

/** What the chosen attention is, in a sentence; empty where there is nothing to add. */
export function attentionSentence(position, head) {
  if (position.kind === "rollout") {
    return t`Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928): the product over ${position.layers} layers of half the mean of the heads and half the identity. It is computed from all layers; no layer did this.`;
  }
  if (position.heads < 2) return "";
  if (head === "mean") return t`Mean over the ${position.heads} heads of each head's own softmax.`;
  return t`Head ${head} of ${position.heads} alone, counted from 0.`;
}

/** One head of an attention, or all of them as it is. */
export function headOf(position, head) {
  return head === "mean" || position.heads < 2 ? position : position.head(Number(head));
}

/**
 * The two lists; `root` is null where there is one attention of one head. What is chosen stays so with the next photo.
 *
 * @param from {positions, first, kept}: label of the one to begin with, and the setting that holds the one last chosen.
 * @param onChoose(label, head) head: "mean" or its number as text.
 */
export function createAttentionChoice({ positions, first, kept }, settings, signal, onChoose) {
  const several = positions.length > 1;
  const known = (label) => positions.find((position) => position.label === label);
  let chosen = known(settings.get(kept)) || known(first) || positions[0];
  let head = settings.get("head") || "mean";
  const tell = () => onChoose(chosen.label, chosen.heads < 2 || Number(head) >= chosen.heads ? "mean" : head);
  if (!several && positions[0].heads < 2) return { root: null, set: () => {}, begin: tell };
  const layers = positions.filter(({ kind }) => kind !== "rollout").map(({ label, title }) => ({ value: label, label: title }));
  const across = positions.filter(({ kind }) => kind === "rollout").map(({ label, title }) => ({ value: label, label: title }));
  const options = across.length ? [{ group: t`One layer`, options: layers }, { group: t`All layers`, options: across }] : layers;
  const heads = el("div", { class: "av-heads" });
  const chooseHead = (value) => {
    head = value;
    settings.set("head", head);
    tell();
  };
  const drawHeads = () => {
    heads.hidden = chosen.heads < 2;
    if (heads.hidden) return;
    const value = Number(head) >= chosen.heads ? "mean" : head; // of fewer heads the mean, until there are more again
    const each = Array.from({ length: chosen.heads }, (_, n) => ({ value: String(n), label: t`Head ${n}` }));
    const list = [{ value: "mean", label: t`Mean of ${chosen.heads} heads` }, ...each];
    heads.replaceChildren(chooser({ label: t`Head`, options: list, value, onChange: chooseHead, signal }).root);
  };
  const choose = (label) => {
    chosen = known(label);
    settings.set(kept, label);
    drawHeads();
    tell();
  };
  const label = across.length ? t`Layer` : t`Attention`;
  const list = several ? chooser({ label, options, value: chosen.label, onChange: choose, signal }) : null;
  drawHeads();
  return {
    root: el("div", { class: "av-attention-choice" }, list && list.root, heads),
    /** Tells of what is chosen at first. */
    begin: tell,
    /** Chooses an attention by its label, as if by hand. */
    set(next) {
      if (!list || !known(next)) return;
      list.set(next);
      choose(next);
    },
  };
}
