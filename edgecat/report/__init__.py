"""All that is known of a model, for people: one self-contained page, and a model card."""
