"""Results and printed numbers → frames → Markdown, CSV, LaTeX. Reads the store; never imports torch."""
