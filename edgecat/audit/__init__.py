"""What a person should look at in a folder of labelled photos before anything learns from it."""
