// Rules for the scripts of the page and the viewer; `make lint` runs ESLint where npm is.

const BROWSER = [
  "Blob", "CSS", "CustomEvent", "Event", "File", "FileReader", "IntersectionObserver", "MutationObserver", "ResizeObserver",
  "AbortController", "DataTransfer", "DragEvent", "Element", "HTMLInputElement", "Image", "ImageData", "OffscreenCanvas", "TextDecoder", "URL", "atob", "cancelAnimationFrame", "clearTimeout",
  "console", "createImageBitmap", "devicePixelRatio", "document", "fetch", "getComputedStyle", "localStorage", "location", "matchMedia",
  "navigator", "performance", "requestAnimationFrame", "sessionStorage", "setInterval", "clearInterval", "setTimeout", "structuredClone", "window",
];

export default [
  {
    languageOptions: { ecmaVersion: 2022, globals: Object.fromEntries(BROWSER.map((name) => [name, "readonly"])) },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      eqeqeq: "error",
      "no-const-assign": "error",
      "no-dupe-keys": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-redeclare": "error",
      "no-shadow-restricted-names": "error",
      "no-undef": "error",
      "no-unreachable": "error",
      "no-unused-vars": "error",
      "no-use-before-define": ["error", { functions: false, classes: false, variables: false }],
      "no-var": "error",
      "prefer-const": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "text goes into the page with textContent" },
        { property: "outerHTML", message: "text goes into the page with textContent" },
        { property: "insertAdjacentHTML", message: "text goes into the page with textContent" },
      ],
    },
  },
];
