"""Speed and memory as ratios measured side by side: `python -m validation.bench`; a file of `benches` is one bench."""
