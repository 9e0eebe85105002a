"""Benchmarks: every figure is a ratio of things measured side by side in one run. README.md says what each measures."""
