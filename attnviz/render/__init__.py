"""Pictures of attention: colour maps, overlays, figures, animations. The only place with matplotlib."""
