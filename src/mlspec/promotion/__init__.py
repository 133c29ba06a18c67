"""Promotion and the way back: which versions move from one environment to another, and which edits of the spec move them."""
