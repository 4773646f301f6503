"""Graph passes: one exact rewrite a file."""
