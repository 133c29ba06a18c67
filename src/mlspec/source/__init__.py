"""From bytes to plain data with a mark for every key and value: reading, layering, extending, editing specs."""
