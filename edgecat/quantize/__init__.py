"""Float model -> INT8 models that were measured to be good enough."""
