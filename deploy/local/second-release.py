#!/usr/bin/env python3
"""second-release.py FOLDER: makes a made-up second release of a copy of this tree, for the tests of an upgrade.

There is no release yet, so there is none that could be upgraded. The second one has what a release may have: a version
of its own, a migration, and a field at the end of a message's block. previous.sh builds its programs.
"""

import pathlib
import subprocess
import sys

VERSION = "0.2.0"
MIGRATION = """-- Of the made-up second release (deploy/local/second-release.py).
ALTER TABLE trade_rows ADD COLUMN second_release bigint;
"""
# What a person runs as the migrator before the release before migrates again. Such statements are in the notes of a
# release that has any; without them the way back is a backup.
WAY_BACK = """ALTER TABLE trade_rows DROP COLUMN second_release;
DELETE FROM schema_migrations WHERE name LIKE '%_second_release.sql';
"""
SCHEMA = "Sources/Tape/TapeCodec/tape.sbe.xml"
# Each text is in its file once.
CHANGES = [
    (SCHEMA, 'id="31390" version="2"', 'id="31390" version="3"'),
    (SCHEMA, '<sbe:message name="SeriesDefinition" id="262" blockLength="24">',
     '<sbe:message name="SeriesDefinition" id="262" blockLength="32">'),
    (SCHEMA, '<field name="latenessNanoseconds" id="4" type="int64" offset="16" sinceVersion="2"/>\n',
     '<field name="latenessNanoseconds" id="4" type="int64" offset="16" sinceVersion="2"/>\n'
     '    <field name="secondRelease" id="5" type="int64" offset="24" sinceVersion="3"/>\n'),
    ("Sources/Tape/TapeCodec/PacketBuilder+Definitions.swift",
     "template, block: WireFormat.Block.seriesDefinitionWithLateness, version: 2,\n"
     "            values: [definition.widthNanoseconds, lateness], texts",
     "template, block: WireFormat.Block.seriesDefinitionWithLateness + 8, version: 3,\n"
     "            values: [definition.widthNanoseconds, lateness, 77], texts"),
]


def apply(root):
    """Changes the copy in the folder `root`."""
    for name, old, new in CHANGES:
        path = root / name
        text = path.read_text()
        if text.count(old) != 1:
            raise SystemExit(f"second-release.py: {name} has {text.count(old)} times what is changed: {old[:60]}")
        path.write_text(text.replace(old, new))
    migrations = root / "deploy/postgres/migrations"
    last = max(int(path.name.split("_")[0]) for path in migrations.glob("[0-9]*_*.sql"))
    (migrations / f"{last + 1:04}_second_release.sql").write_text(MIGRATION)


def main(arguments):
    root = pathlib.Path(arguments[0]).resolve()
    apply(root)
    subprocess.run([root / "deploy/release/version.py", "--set", VERSION], cwd=root, check=True,
                   stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(sys.argv[1:])
