#!/usr/bin/env python3
"""Writes tests/fixtures/statistics.json: what SciPy and statsmodels say about small samples.

    pip install scipy statsmodels && python3 scripts/make-statistics-fixture.py
"""
import json
import pathlib

import numpy as np
import scipy
import statsmodels
from scipy.stats import PermutationMethod, binomtest, permutation_test, wilcoxon
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

random = np.random.default_rng(7)


def samples():
    yield "no ties, 12", np.round(random.normal(0.3, 1, 12), 4)
    yield "no ties, 50", np.round(random.normal(0.2, 1, 50), 4)
    yield "ties and zeros, 10", np.array([1, -1, 2, 2, 0, 3, -2, 1, 4, 0.0])
    yield "unit differences, 400", random.choice([-1.0, 0.0, 1.0], 400, p=[0.2, 0.5, 0.3])
    yield "no ties, 300", np.round(random.normal(0.05, 1, 300), 6)
    yield "no ties, 20, far from zero", np.round(random.normal(1.2, 1, 20), 4)


cases = []
for name, values in samples():
    kept = values[values != 0]
    tied = len(np.unique(np.abs(kept))) < len(kept)
    if len(kept) <= 12 and tied:
        method = PermutationMethod(n_resamples=np.inf)
    else:
        method = "exact" if len(kept) <= 50 else "asymptotic"
    test = wilcoxon(kept, correction=False, method=method)
    case = {"name": name, "differences": values.tolist(), "wilcoxon_p": test.pvalue, "statistic": test.statistic}
    if len(kept) <= 20:
        flips = permutation_test((kept,), np.sum, permutation_type="samples", n_resamples=np.inf)
        case["randomisation_p"] = flips.pvalue
    case["dz"] = float(values.mean() / values.std(ddof=1))
    cases.append(case)

# Signs of differences of one size are a binomial test: p values that no number of random flips resolves.
signs = [
    {"plus": plus, "minus": minus, "p": binomtest(plus, plus + minus).pvalue}
    for plus, minus in [(30, 4), (65, 35), (90, 10), (180, 120), (800, 500), (6000, 5000), (1100, 100)]
]

p = [0.01, 0.04, 0.03, 0.005, 0.04, 0.9]
fixture = {
    "made_by": f"scipy {scipy.__version__}, statsmodels {statsmodels.__version__}, scripts/make-statistics-fixture.py",
    "paired": cases,
    "signs": signs,
    "holm": {"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()},
    "power": [
        {"effect": effect, "n": n, "power": float(TTestPower().power(effect, n, 0.05))}
        for effect, n in [(0.5, 10), (1.0, 3), (2.0, 2), (3.0, 5), (0.1, 500)]
    ],
}
path = pathlib.Path(__file__).parent.parent / "tests/fixtures/statistics.json"
path.write_text(json.dumps(fixture, indent=1) + "\n")
