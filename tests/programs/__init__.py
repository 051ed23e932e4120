"""Random programs: drawn, run in every way that promises the same bits, compared, and shrunk where they differ.

``PYTHONPATH=tests python -m programs --seconds 60`` draws for a minute, ``--seed S`` runs one program again.
"""
