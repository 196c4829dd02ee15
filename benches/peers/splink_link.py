"""Splink 4 on the fields that Throughline's linking compares.

Both are given the same names, identifiers, places, cars, dates and rare words, as
`throughline evaluate --link --fields FILE` writes them; Splink gets no vectors, for it
has no comparison of them. Its m are estimated from the same labelled authors as ours,
u by random sampling on the reports to be linked, the threshold by the best B-cubed F1
on the labelled authors. Prints nothing but notes; writes an id, a tab and a group a line,
for `throughline evaluate --link --rival splink=FILE`.

    python benches/peers/splink_link.py --fields test.csv --train train.csv \
        --labels datasets/throughline-1/A06.jsonl … --out splink.tsv

Needs `pip install 'splink==4.*' pandas pyarrow`.
"""

import argparse
import json
import logging
import sys
from collections import defaultdict
from datetime import date, timedelta

import pandas as pd
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, __version__

WHOLE = ["phone", "email", "handle", "plate", "postcode", "date_of_birth", "reference"]


def read(path):
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame = frame.rename(columns={"id": "unique_id"})
    frame["rare_words"] = [words.split() or None for words in frame["rare_words"]]
    for column in frame.columns.drop("rare_words"):
        values = [value or None for value in frame[column]]
        if column == "relationship":
            values = [None if value == "unknown" else value for value in values]
        frame[column] = pd.Series(values, index=frame.index, dtype=object)
    dates = [None if day is None else str(date(1970, 1, 1) + timedelta(int(day))) for day in frame["day"]]
    frame["date"] = pd.Series(dates, index=frame.index, dtype=object)
    return frame


def settings(columns, prior):
    names = [
        cl.JaroWinklerAtThresholds(column, [0.92, 0.85]).configure(term_frequency_adjustments=True)
        for column in ["suspect_given", "suspect_surname", "victim_given", "victim_surname"]
    ]
    whole = [
        cl.ExactMatch(column).configure(term_frequency_adjustments=True)
        for column in WHOLE + ["street", "make", "place"]
        if columns[column]
    ]
    rest = [
        cl.ExactMatch("house"),
        cl.ExactMatch("colour"),
        cl.ExactMatch("model"),
        cl.ExactMatch("force"),
        cl.ExactMatch("relationship"),
        cl.ArrayIntersectAtSizes("rare_words", [5, 3, 2, 1]),
        cl.AbsoluteTimeDifferenceAtThresholds(
            "date",
            input_is_string=True,
            metrics=["day", "day", "day", "day"],
            thresholds=[7, 31, 92, 366],
        ),
    ]
    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=names + whole + rest,
        # Pools this small are compared in full: blocking is not what is measured.
        blocking_rules_to_generate_predictions=["1 = 1"],
        probability_two_random_records_match=prior,
        retain_intermediate_calculation_columns=False,
    )


def labels_of(paths):
    case = {}
    for path in paths:
        for line in open(path, encoding="utf-8"):
            record = json.loads(line)
            if record.get("case"):
                author = (record.get("meta") or {}).get("author") or path
                case[record["id"]] = f"{author} {record['case']}"
    return case


def groups(linker, predictions, threshold):
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predictions, threshold_match_weight=threshold
    ).as_pandas_dataframe()
    return dict(zip(clusters["unique_id"], clusters["cluster_id"]))


def b_cubed_f1(group, case):
    """Over reports that belong to a course of two or more, as `evaluate --link` has it."""
    courses, clusters = defaultdict(set), defaultdict(set)
    for report, cluster in group.items():
        clusters[cluster].add(report)
        if report in case:
            courses[case[report]].add(report)
    precision = recall = total = 0.0
    for members in (m for m in courses.values() if len(m) > 1):
        for report in members:
            both = len(members & clusters[group[report]])
            precision += both / len(clusters[group[report]])
            recall += both / len(members)
            total += 1
    precision, recall = precision / max(total, 1), recall / max(total, 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--fields", required=True)
    arguments.add_argument("--train", required=True)
    arguments.add_argument("--labels", required=True, nargs="+")
    arguments.add_argument("--out", required=True)
    arguments = arguments.parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)
    print(f"splink {__version__}", file=sys.stderr)

    case = labels_of(arguments.labels)
    train, test = read(arguments.train), read(arguments.fields)
    train["case_label"] = train["unique_id"].map(case.get)
    columns = {column: bool(train[column].notna().any() and test[column].notna().any()) for column in train.columns if column in test.columns}
    sizes = train["case_label"].value_counts()
    pairs = sum(n * (n - 1) / 2 for n in sizes)
    # Partners of a report, as in a pool of its author: what our own prior is fitted to, too.
    partners = 2 * pairs / len(train)

    def linker_of(frame):
        made = Linker(frame, settings(columns, min(0.5, partners / max(len(frame) - 1, 1))), DuckDBAPI())
        made.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        return made

    fitted = linker_of(train)
    fitted.training.estimate_m_from_label_column("case_label")
    predictions = fitted.inference.predict(threshold_match_weight=-10)
    scored = [(b_cubed_f1(groups(fitted, predictions, t), case), t) for t in range(-4, 21, 2)]
    best, threshold = max(scored)
    print(f"threshold {threshold} bits: B-cubed F1 {best:.3f} on the labelled authors", file=sys.stderr)

    linker = linker_of(test)
    # m from the labelled authors, u from the reports to be linked.
    learned = {c["output_column_name"]: c for c in fitted.misc.save_model_to_json()["comparisons"]}
    model = linker.misc.save_model_to_json()
    for comparison in model["comparisons"]:
        for level, other in zip(comparison["comparison_levels"], learned[comparison["output_column_name"]]["comparison_levels"]):
            if "m_probability" in other:
                level["m_probability"] = other["m_probability"]
    linker = Linker(test, model, DuckDBAPI())
    predictions = linker.inference.predict(threshold_match_weight=-10)
    found = groups(linker, predictions, threshold)
    with open(arguments.out, "w", encoding="utf-8") as out:
        for report in sorted(found):
            out.write(f"{report}\t{found[report]}\n")


if __name__ == "__main__":
    main()
