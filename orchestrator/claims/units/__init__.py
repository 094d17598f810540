"""One quantity over its repeats: the values of each setting and unit, and the interval of what they come to."""
