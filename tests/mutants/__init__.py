"""`make mutants`: mutmut changes the code that moves money, one word at a time, and tests judge.

    python -m tests.mutants --only money

A change that no test notices survives. `setup.cfg` (section `makegood:mutants`) says which files
are changed and which tests judge each; `survivors.json` says why each survivor may live. All of it
happens in a copy of the tree.
"""
