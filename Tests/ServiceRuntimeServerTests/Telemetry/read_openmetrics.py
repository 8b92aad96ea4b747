"""Reads a page of OpenMetrics with the reference reader and prints what it saw.

A line `family NAME TYPE UNIT` for each family, and below it `sample VALUE NAME LABELS` for each of
its samples, labels as JSON, and `exemplar TRACE VALUE TIME` below one that has it. A page that
breaks a rule ends it with an error.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8") as page:
    for family in text_string_to_metric_families(page.read()):
        print("family", family.name, family.type, family.unit)
        for sample in family.samples:
            labels = json.dumps(sample.labels, sort_keys=True, separators=(",", ":"))
            print("sample", repr(float(sample.value)), sample.name, labels)
            if sample.exemplar:
                told = sample.exemplar
                print("exemplar", told.labels["trace_id"], told.value, told.timestamp)
