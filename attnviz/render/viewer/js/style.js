// The style sheet as text: bundle.py puts viewer.css between these quotes.

export const STYLE = "";
