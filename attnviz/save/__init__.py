"""Files that people take away, and the manifest that makes them again."""
