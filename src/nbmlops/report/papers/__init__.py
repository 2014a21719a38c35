"""Papers that write themselves: the model card, the datasheet of a data set, the bundle of a version."""
