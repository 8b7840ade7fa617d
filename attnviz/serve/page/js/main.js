// The page's scripts: window.attnvizPage is what the scripts of Gradio's parts call.

import { nameIcons } from "./access.js";
import { attach, receive, receiveCompare } from "./bridge.js";
import { asksToCarry, receiveCarried } from "./carry.js";
import { models, segments } from "./choose.js";
import { figure } from "./downloads.js";
import { evidence } from "./evidence.js";
import { takePhotos } from "./intake.js";
import { languages } from "./languages.js";
import { asks, receiveLayer } from "./layers.js";
import { mark, samples, status, text, waiting } from "./lists.js";
import { pins } from "./pinned.js";
import { asksPlace, receivePlace } from "./place.js";
import { sheet } from "./sheet.js";
import { tabs } from "./tabs.js";

nameIcons();
takePhotos();
window.attnvizPage = Object.freeze({
  asks,
  asksPlace,
  asksToCarry,
  attach,
  evidence,
  figure,
  languages,
  mark,
  models,
  pins,
  receive,
  receiveCarried,
  receiveCompare,
  receiveLayer,
  receivePlace,
  samples,
  segments,
  sheet,
  status,
  tabs,
  text,
  waiting,
});
