"""Results and printed numbers → rows → Markdown, CSV, LaTeX. Reads the store; never imports torch."""
