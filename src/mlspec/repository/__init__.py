"""Git as the home of trees: reading revisions, committing what was compiled, pushing; the one door to the git binary."""
