"""What the page is made of: components, theme, style sheet and scripts."""
