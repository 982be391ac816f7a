"""The study of a model's switches: what each idea of an architecture is worth."""
