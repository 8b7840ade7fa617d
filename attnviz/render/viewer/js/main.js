// The viewer as a page loads it: window.attnviz, with mount(element, payload, options) and read(payload).

import { readPayload } from "./data.js";
import { mount } from "./mount.js";

window.attnviz = Object.freeze({ mount, read: readPayload });
