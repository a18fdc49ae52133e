"""An item as a viewer sees it: text, media, counters and what the viewer did to it."""
