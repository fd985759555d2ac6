"""`zava import`: a chain's own files, by a mapping, into the tables of the model."""
