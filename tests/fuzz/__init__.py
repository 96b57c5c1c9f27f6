"""Input that nobody sends on purpose, and a lot of it: whoever reads bytes of strangers must refuse it in words of its own."""
