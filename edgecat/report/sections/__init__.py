"""The sections of a page, one a file: each is a function of the facts, or says what is missing."""
