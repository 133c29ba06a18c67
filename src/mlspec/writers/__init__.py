"""Writers: where a tree goes."""
