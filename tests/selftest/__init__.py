"""`make selftest`: a check of the checks. Twelve bugs are planted, and each must be found.

    python -m tests.selftest --only fresh_key

A harness counts only if it also finds a bug. Each bug is put into the product's own code, in a copy
of the tree; the code that it changes must be there exactly once, so that no plant does nothing in
silence. The harness runs without it first, with the same words, and must be green.
"""
