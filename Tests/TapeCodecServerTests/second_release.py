#!/usr/bin/env python3
"""A made-up second release of the wire format, for as long as there is none: what it changes, and packets of it.

    second_release.py packet PACKET.hex   the packet as the second release would write it, in hex: each trade has the
                                          new field, and a tick and a message that are new come last
    second_release.py schema              its schema

It is encoded by nothing but the schema, and shares no code with the product. The checksum is left as it was, because
Python's standard library has no XXH3."""
import importlib.util
import pathlib
import struct
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "Tests/TapeCodecTests"))
import decode_packet  # noqa: E402

SHIPPED = ROOT / "Sources/Tape/TapeCodec/tape.sbe.xml"

# What the second release adds: a field at the end of a block, a tick, and a message that is no tick.
FIELD = ('    <field name="venueId" id="12" type="uint64" offset="64" sinceVersion="3"/>\n', {"venueId": "77"})
TICK = """  <sbe:message name="Auction" id="33278" blockLength="40">
    <field name="symbol" id="1" type="uint32" offset="0"/>
    <field name="flags" id="2" type="TickFlags" offset="4"/>
    <field name="action" id="3" type="uint8" offset="6"/>
    <field name="resolution" id="4" type="TimeResolution" offset="7"/>
    <field name="providerTime" id="5" type="Time" offset="8"/>
    <field name="receiveTime" id="6" type="Time" offset="16"/>
    <field name="providerId" id="7" type="uint64" offset="24"/>
    <field name="price" id="8" type="Price" offset="32"/>
    <data name="venue" id="9" type="varData"/>
  </sbe:message>
"""
MESSAGE = """  <sbe:message name="Note" id="253" blockLength="8">
    <field name="time" id="1" type="Time" offset="0"/>
  </sbe:message>
"""
NEW = [
    {"message": "Auction", "fields": {
        "symbol": "0", "flags": "delayed", "action": "1", "resolution": "millisecond", "providerTime": "5",
        "receiveTime": "undefined", "providerId": "6", "price": "7", "venue": "NYSE"}},
    {"message": "Note", "fields": {"time": "8"}},
]


def schema_text():
    """The shipped schema, changed as docs/wire-format.md allows it."""
    text = SHIPPED.read_text()
    head, rest = text.split('<sbe:message name="Trade" id="32784" blockLength="64">', 1)
    block, rest = rest.split("  </sbe:message>\n", 1)
    assert 'version="2"' in head and 'id="12"' not in block
    return (head.replace('version="2"', 'version="3"', 1)
            + '<sbe:message name="Trade" id="32784" blockLength="72">' + block + FIELD[0] + "  </sbe:message>\n"
            + TICK + MESSAGE + rest)


def number(schema, name, text):
    """The bits of a field of a number, an enumeration or flags, from its text."""
    if name in decode_packet.FORMATS:
        return struct.pack(decode_packet.FORMATS[name], int(text))
    kind = schema.types[name]
    if kind.tag == "composite":
        return (int(text) & (1 << 128) - 1).to_bytes(16, "little")
    if kind.tag == "enum":
        names = {each.get("name"): each.text for each in kind}
        return number(schema, kind.get("encodingType"), names[text])
    if kind.tag == "set":
        names = {each.get("name"): int(each.text) for each in kind}
        bits = sum(1 << names[word] for word in text.split("|") if word)
        return number(schema, kind.get("encodingType"), str(bits))
    if kind.get("primitiveType") == "char":
        return text.encode("ascii").ljust(int(kind.get("length")), b"\0")
    return number(schema, kind.get("primitiveType"), kind.get("nullValue") if text == "undefined" else text)


def encode(schema, message):
    """A message with its header. It ends before the first field that it leaves out, with the version that says so."""
    known = next(each for each in schema.messages.values() if each.get("name") == message["message"])
    fields = known.findall("field")
    absent = [int(each.get("offset")) for each in fields if each.get("name") not in message["fields"]]
    block = bytearray(min(absent, default=int(known.get("blockLength"))))
    version = 1
    for field in fields:
        if (text := message["fields"].get(field.get("name"))) is None:
            continue
        version = max(version, int(field.get("sinceVersion", 1)))
        start, bits = int(field.get("offset")), number(schema, field.get("type"), text)
        block[start : start + len(bits)] = bits
    bits = struct.pack("<HHHH", len(block), int(known.get("id")), schema.id, version) + block
    for field in known.findall("data"):
        text = message["fields"][field.get("name")].encode()
        bits += struct.pack("<I", len(text)) + text
    return bits


def packet(shipped, second, old):
    """The packet of the shipped schema as the second release would write it."""
    messages = decode_packet.decode(shipped, old)
    same = b"".join(encode(shipped, message) for message in messages)
    # What the encoder does is right where its bytes are those of the product.
    assert same == old, "the encoder writes other bytes than the product"
    for message in messages:
        if message["message"] == "Trade":
            message["fields"] |= FIELD[1]
    messages += NEW
    fields = messages[0]["fields"]
    fields["tickCount"] = str(int(fields["tickCount"]) + 1)
    fields["byteCount"] = str(sum(len(encode(second, message)) for message in messages))
    new = b"".join(encode(second, message) for message in messages)
    assert decode_packet.decode(second, new) == messages, "a reader of the second release finds other values"
    # It reads what the shipped one wrote, too, without the field.
    assert decode_packet.decode(second, old) == decode_packet.decode(shipped, old)
    return new


def main(arguments):
    text = schema_text()
    # The rules of docs/wire-format.md allow the change.
    spec = importlib.util.spec_from_file_location("rules", ROOT / "deploy/release/schema.py")
    sys.path.insert(0, str(ROOT / "deploy/release"))
    rules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rules)
    assert rules.problems(rules.Schema(SHIPPED.read_text()), rules.Schema(text)) == []
    if arguments == ["schema"]:
        sys.stdout.write(text)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(text)
        file.flush()
        second = decode_packet.Schema(file.name)
    old = bytes.fromhex(pathlib.Path(arguments[1]).read_text())
    print(packet(decode_packet.Schema(SHIPPED), second, old).hex())


if __name__ == "__main__":
    main(sys.argv[1:])
