"""Finding a faster recipe: a search by successive halving, and a study of its winner on seeds that it never saw."""
