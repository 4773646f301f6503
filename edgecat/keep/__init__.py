"""Photos worth a look: which a device keeps and where, and what people decided on them."""
