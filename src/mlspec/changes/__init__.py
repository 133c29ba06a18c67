"""What a change of specs means: objects, causes, sentences, effects in a cluster, totals and risks; values and functions alone."""
