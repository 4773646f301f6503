"""Whether the photos of late look like those that a bundle was trained on."""
