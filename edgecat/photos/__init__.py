"""Files and pixels: folders of labelled photos, splits, the one preprocessing, drawn cats."""
