"""Everything that draws in a browser: on the page, in one HTML file, in a notebook."""
